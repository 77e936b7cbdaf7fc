"""The authors' released AffWildNet networks, from TensorFlow 1 checkpoints (Section IV-B's base).

The files are given out for research use only; nothing of them is here. Names and
shapes are those of the published evaluation code.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kaffect.errors import ArtifactError, expected_received
from kaffect.models.affwildnet import frame_encoder, join
from kaffect.models.vggface import BLOCKS

log = logging.getLogger(__name__)

RESEARCH_USE_ONLY = (
    "The authors of AffWildNet give their networks out for research use only, on condition that "
    "their papers are cited (IJCV 2019, CVPRW 2017)."
)
_CONVOLUTIONS = tuple(
    f"conv{block}_{i}" for block, (n, _) in enumerate(BLOCKS, 1) for i in range(1, n + 1)
)
_FEATURES, _UNITS = 4096, 128
_CELL = "rnn_1/rnn/multi_rnn_cell/cell_{}/gru_cell/{}/{}"
# What training leaves in a checkpoint beside the network.
_LEFT_OVER = re.compile(
    r"/(Adam(_\d)?|Momentum|RMSProp(_\d)?|ExponentialMovingAverage)$"
    r"|^(.*/)?(beta[12]_power|global_step)$"
)
_FILE = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")

Variables = dict[str, np.ndarray]


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
    if isinstance(path_or_mapping, (str, Path)):
        variables = _read(Path(path_or_mapping))
    else:
        given = path_or_mapping.items()
        variables = {name.removesuffix(":0"): np.asarray(v) for name, v in given}
    variables = {name: v for name, v in variables.items() if not _LEFT_OVER.search(name)}
    _require(variables, _shapes(variables))
    encoder = frame_encoder()
    if _recurrent(variables):
        head = _recurrent_head()
        _assign_gru(head, variables)
        arrays = _arrays({"valence_arousal": ("rnn_1/{}_rnn", head)})
    else:
        head = _plain_head(len(variables["linear2_1/biases"]))
        arrays = _arrays({"fc7": ("linear2_1/{}", head), "valence_arousal": ("linear3_1/{}", head)})
    vggface = encoder.get_layer("vggface")
    names = {layer: (f"conv_{i}/{{}}", vggface) for i, layer in enumerate(_CONVOLUTIONS, 1)}
    arrays |= _arrays({**names, "fc6": ("linear_1/{}", encoder)})
    for name, variable in arrays.items():
        variable.assign(variables[name])
    return join(encoder, head, None, name="affwildnet")


def _read(path: Path) -> Variables:
    """Every variable of a checkpoint by name."""
    prefix = path if path.is_dir() else path.with_name(_FILE.sub("", path.name))
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (ValueError, OSError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(
            f"{path}: cannot be read as a TensorFlow checkpoint: {reason}. Expected its prefix, "
            "for example model.ckpt-1 beside model.ckpt-1.index and its data file"
        ) from error


def _recurrent(variables: Variables) -> bool:
    return any(name.startswith("rnn_1/") for name in variables)


def _shapes(variables: Variables) -> dict[str, tuple[int, ...]]:
    """Name and shape of every variable of the network whose variables these are."""
    shapes: dict[str, tuple[int, ...]] = {}
    below, place = 3, 1
    for convolutions, channels in BLOCKS:
        for _ in range(convolutions):
            shapes |= _layer(f"conv_{place}/{{}}", 3, 3, below, channels)
            below, place = channels, place + 1
    shapes |= _layer("linear_1/{}", 9 * below, _FEATURES)
    if not _recurrent(variables):
        hidden = variables.get("linear2_1/biases", np.zeros(4096)).size
        return {
            **shapes,
            **_layer("linear2_1/{}", _FEATURES, hidden),
            **_layer("linear3_1/{}", hidden, 2),
        }
    below = _FEATURES
    for k in range(2):
        for part, width in (("gates", 2 * _UNITS), ("candidate", _UNITS)):
            shapes[_CELL.format(k, part, "kernel")] = (below + _UNITS, width)
            shapes[_CELL.format(k, part, "bias")] = (width,)
        below = _UNITS
    return {**shapes, **_layer("rnn_1/{}_rnn", _UNITS, 2)}


def _layer(pattern: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {pattern.format("weights"): shape, pattern.format("biases"): shape[-1:]}


def _arrays(layers: Mapping[str, tuple[str, keras.Model]]) -> dict[str, keras.Variable]:
    """TensorFlow 1 name -> weight, for layer name -> (pattern of the name, its model)."""
    found = {}
    for name, (pattern, model) in layers.items():
        layer = model.get_layer(name)
        found[pattern.format("weights")] = layer.kernel
        found[pattern.format("biases")] = layer.bias
    return found


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
            gates = variables[_CELL.format(k, "gates", what)]
            reset, update = np.split(gates, 2, axis=-1)
            candidate = variables[_CELL.format(k, "candidate", what)]
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
    missing = sorted(set(shapes) - set(variables))
    if missing:
        raise ArtifactError(
            f"not an AffWildNet checkpoint: {len(missing)} of {len(shapes)} variables are missing, "
            f"among them {missing[:3]}. Received: {sorted(variables)[:5]} ..."
        )
    for name, shape in shapes.items():
        if variables[name].shape != shape:
            what = f"AffWildNet variable {name}: wrong shape"
            raise ArtifactError(expected_received(what, str(shape), variables[name].shape))
        if not np.isfinite(variables[name]).all():
            raise ArtifactError(f"AffWildNet variable {name}: holds values that are not finite")
    unknown = sorted(set(variables) - set(shapes))
    if unknown:
        log.warning("not part of the network and left alone: %s", ", ".join(unknown))
