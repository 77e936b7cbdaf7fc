"""What lives as long as the server is left out of Python's garbage collection.

Serves the engineer: a full collection visits every object of TensorFlow and of the models,
which takes 0.3 s, and no request is answered meanwhile. Clients that make the server create
many objects (128 calls a second are enough) bring one about every few seconds.
"""

from __future__ import annotations

import gc


def set_apart() -> None:
    """Collect garbage now; what is alive then is not looked at by later collections.

    Called once everything is loaded, and again after a version was replaced: the former one
    is freed then. It is the state of the process, so only who runs the server calls it.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
