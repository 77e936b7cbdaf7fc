"""Lets keras-vggface 0.6 be imported with TensorFlow 2.15 (Section IV-B, reference only).

The package asks for three names where Keras kept them in 2019; each still exists elsewhere.
"""

from __future__ import annotations

import sys
import types


def install() -> None:
    """Put the three names where keras-vggface looks for them; call it before importing it."""
    import keras
    from keras.src.utils import data_utils, layer_utils

    keras.utils.layer_utils = layer_utils
    sys.modules["keras.utils.data_utils"] = data_utils
    topology = types.ModuleType("keras.engine.topology")
    topology.get_source_inputs = keras.utils.get_source_inputs  # type: ignore[attr-defined]
    sys.modules["keras.engine.topology"] = topology
