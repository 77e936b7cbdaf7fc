"""Same seed, same bytes: every random number of a run is derived from its seed.

Networks, data order and augmentation take seeds as arguments; nothing draws from a global
generator. TensorFlow's deterministic kernels are switched on for a whole process, so only the
entry points (`experiments/run.py`, `kaffect`) do that. Bit-exactness is promised for one machine
type, on the CPU, at fixed versions; on other hardware the promise is a tolerance.
"""

from __future__ import annotations

import numpy as np


def derived_seed(seed: int, *names: int | str) -> int:
    """An independent 31-bit seed for one purpose of a run.

    >>> derived_seed(0, "order") == derived_seed(0, "order")
    True
    >>> derived_seed(0, "order") == derived_seed(0, "dropout")
    False
    """
    words = [seed]
    for name in names:
        text = str(name).encode()
        words.extend(int.from_bytes(text[i : i + 4], "little") for i in range(0, len(text), 4))
    return int(np.random.SeedSequence(words).generate_state(1)[0] & 0x7FFFFFFF)
