"""The authors' released AffWildNet networks, from TensorFlow 1 checkpoints (Section IV-B)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from kaffect.errors import ArtifactError, expected_received
from kaffect.models.affwildnet import frame_encoder, join
from kaffect.models.affwildnet_variables import (
    CELL,
    Variables,
    convolution_names,
    dense_names,
    is_recurrent,
    read_variables,
    require_finite,
    require_names,
)
from kaffect.models.vggface import BLOCKS

log = logging.getLogger(__name__)

_FEATURES, _UNITS = 4096, 128


def load_affwildnet(path_or_mapping: str | Path | Mapping[str, np.ndarray]) -> keras.Model:
    """A released AffWildNet network with its weights, ready to use or to be trained further.

    Which one it is, is read from the names: VGGFACE-GRU (two GRU layers of 128, no attention) or
    one of the networks of single frames (4096-4096-2, 4096-2000-2).

    Args:
        path_or_mapping: a TensorFlow 1 checkpoint (its prefix, one of its files, or its folder) or
            variable name -> array.

    Returns:
        [batch, time, 96, 96, 3], RGB as (x - 128) / 128 -> dict with `valence_arousal`
        [batch, time, 2]; any batch and time. Its layers `frame_encoder` and `sequence_head` are
        the parts that `kaffect.serving.export_model` and fine-tuning want.

    Raises:
        ArtifactError: not a checkpoint of these networks; says what is missing or misshapen.
    """
    variables = read_variables(path_or_mapping)
    _require(variables, _shapes(variables))
    encoder = frame_encoder()
    arrays = convolution_names(encoder.get_layer("vggface"))
    arrays |= dense_names("linear_1/{}", encoder.get_layer("fc6"))
    if is_recurrent(variables):
        head = _recurrent_head()
        _assign_gru(head, variables)
        arrays |= dense_names("rnn_1/{}_rnn", head.get_layer("valence_arousal"))
    else:
        head = _plain_head(len(variables["linear2_1/biases"]))
        arrays |= dense_names("linear2_1/{}", head.get_layer("fc7"))
        arrays |= dense_names("linear3_1/{}", head.get_layer("valence_arousal"))
    for name, variable in arrays.items():
        variable.assign(variables[name])
    return join(encoder, head, None, name="affwildnet")


def _shapes(variables: Variables) -> dict[str, tuple[int, ...]]:
    """Name and shape of every variable of the network whose variables these are."""
    shapes: dict[str, tuple[int, ...]] = {}
    below, place = 3, 1
    for convolutions, channels in BLOCKS:
        for _ in range(convolutions):
            shapes |= _layer(f"conv_{place}/{{}}", 3, 3, below, channels)
            below, place = channels, place + 1
    shapes |= _layer("linear_1/{}", 9 * below, _FEATURES)
    if not is_recurrent(variables):
        hidden = variables.get("linear2_1/biases", np.zeros(4096)).size
        return {
            **shapes,
            **_layer("linear2_1/{}", _FEATURES, hidden),
            **_layer("linear3_1/{}", hidden, 2),
        }
    below = _FEATURES
    for k in range(2):
        for part, width in (("gates", 2 * _UNITS), ("candidate", _UNITS)):
            shapes[CELL.format(k, part, "kernel")] = (below + _UNITS, width)
            shapes[CELL.format(k, part, "bias")] = (width,)
        below = _UNITS
    return {**shapes, **_layer("rnn_1/{}_rnn", _UNITS, 2)}


def _layer(pattern: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {pattern.format("weights"): shape, pattern.format("biases"): shape[-1:]}


def _recurrent_head() -> keras.Model:
    inputs = keras.Input((None, _FEATURES), name="features")
    x = keras.layers.Dropout(0.5, name="fc6_dropout")(inputs)
    for k in range(2):
        # TensorFlow 1 resets the state before the product, Keras by default after it.
        layer = keras.layers.GRU(
            _UNITS, return_sequences=True, return_state=True, reset_after=False, name=f"gru_{k}"
        )
        x, _ = layer(x)
    outputs = {"valence_arousal": keras.layers.Dense(2, name="valence_arousal")(x)}
    return keras.Model(inputs, outputs, name="sequence_head")


def _assign_gru(head: keras.Model, variables: Variables) -> None:
    """TensorFlow 1 has [x, h] -> reset, update; Keras has x and h apart, update before reset."""
    below = head.input_shape[-1]
    for k in range(2):
        layer = head.get_layer(f"gru_{k}")
        parts = {}
        for what in ("kernel", "bias"):
            gates = variables[CELL.format(k, "gates", what)]
            reset, update = np.split(gates, 2, axis=-1)
            candidate = variables[CELL.format(k, "candidate", what)]
            parts[what] = np.concatenate([update, reset, candidate], -1)
        kernel, recurrent = np.split(parts["kernel"], [below])
        layer.set_weights([kernel, recurrent, parts["bias"]])
        below = layer.units


def _plain_head(hidden: int) -> keras.Model:
    inputs = keras.Input((None, _FEATURES), name="features")
    x = keras.layers.Dropout(0.5, name="fc6_dropout")(inputs)
    x = keras.layers.Dense(hidden, activation="relu", name="fc7")(x)
    outputs = {"valence_arousal": keras.layers.Dense(2, name="valence_arousal")(x)}
    return keras.Model(inputs, outputs, name="sequence_head")


def _require(variables: Variables, shapes: dict[str, tuple[int, ...]]) -> None:
    require_names(variables, shapes)
    for name, shape in shapes.items():
        if variables[name].shape != shape:
            what = f"AffWildNet variable {name}: wrong shape"
            raise ArtifactError(expected_received(what, str(shape), variables[name].shape))
    require_finite(variables, shapes)
    unknown = sorted(set(variables) - set(shapes))
    if unknown:
        log.warning("not part of the network and left alone: %s", ", ".join(unknown))
