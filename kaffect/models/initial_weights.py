"""What the network starts from: published weights, put where they belong (Section IV-B).

keras-vggface's `notop` file fills the 13 convolutions. A released AffWildNet fills the fully
connected layer too and, where that is asked for, the recurrent layers. Which of the two a file is,
its content says.
"""

from __future__ import annotations

import logging
from pathlib import Path

import keras
import numpy as np

from kaffect.errors import ArtifactError, ConfigError, expected_received
from kaffect.models.affwildnet_variables import (
    CELL,
    CONVOLUTIONS,
    Variables,
    convolution_names,
    dense_names,
    is_recurrent,
    read_variables,
    require_finite,
    require_names,
)
from kaffect.models.vggface_weights import load_vggface_weights
from kaffect.weight_files import find_weights

log = logging.getLogger(__name__)

# Below the scope of TensorFlow 1's attention wrapper.
_ATTENTION_CELL = "multi_rnn_cell/cell_{}/gru_cell/{}/{}"


def fill_encoder(encoder: keras.Model, path: str | Path) -> tuple[str, ...]:
    """Set the layers of a CNN that a file of published weights has.

    Args:
        encoder: from `frame_encoder`.
        path: see `kaffect.weight_files.find_weights`.

    Returns:
        Names of the layers that are filled: the convolutions, and "fc6" where the file has it in
        the encoder's size. All others are as they were.

    Raises:
        ConfigError: no such file, or neither of the two.
        ArtifactError: it does not fit or is damaged. The encoder is unchanged then.
    """
    found = find_weights(path)
    if found.format == "hdf5":
        load_vggface_weights(encoder, found.path)
        return CONVOLUTIONS
    if found.format == "other":
        accepted = "a keras-vggface notop file (HDF5) or a TensorFlow checkpoint of AffWildNet"
        raise ConfigError(expected_received(f"--weights {path}", accepted, "another file"))
    variables = read_variables(found.path)
    names = convolution_names(encoder.get_layer("vggface"))
    dense, filled = dense_names("linear_1/{}", encoder.get_layer("fc6")), CONVOLUTIONS
    require_names(variables, {**names, **dense})
    if all(variables[name].shape == tuple(v.shape) for name, v in dense.items()):
        names, filled = {**names, **dense}, (*filled, "fc6")
    _assign(found.path, variables, names)
    log.info("AffWildNet weights read from %s", found.path)
    return filled


def fill_sequence_head(head: keras.Model, path: str | Path) -> None:
    """Start the recurrent layers and the valence-arousal output where AffWildNet ended.

    AffWildNet has no attention. Its linear maps start as those that pass the frame and the
    output on unchanged and ignore the context, so that the untrained network gives AffWildNet's
    own valence and arousal.

    Args:
        head: from `sequence_head`, with valence and arousal and AffWildNet's GRU layers.
        path: of a checkpoint of VGGFACE-GRU.

    Raises:
        ConfigError: no such file, or no checkpoint.
        ArtifactError: one without recurrent layers, or of other sizes; nothing is changed then.
    """
    found = find_weights(path)
    if found.format != "tensorflow":
        accepted = "a TensorFlow checkpoint of AffWildNet, which has recurrent layers"
        raise ConfigError(expected_received("model.start=all", accepted, found.path.name))
    variables = read_variables(found.path)
    if not is_recurrent(variables):
        raise ArtifactError(
            f"{found.path}: a network of single frames, without recurrent layers: expected "
            "model.start=cnn"
        )
    layer = head.get_layer("attention_gru")
    cells = sum(name.endswith("gru_cell/gates/bias") for name in variables)
    if cells != len(layer.units) or cells < 2:
        what = f"{found.path}: GRU layers, for model.gru_units"
        raise ArtifactError(expected_received(what, len(layer.units), cells))
    own, names = layer.tf1_names(), {}
    for k in range(len(layer.units)):
        for part in ("gates", "candidate"):
            for what in ("kernel", "bias"):
                names[CELL.format(k, part, what)] = own[_ATTENTION_CELL.format(k, part, what)]
    names |= dense_names("rnn_1/{}_rnn", head.get_layer("valence_arousal"))
    require_names(variables, names)
    _assign(found.path, variables, names)
    for scope in ("", "attn_output_projection/"):
        kernel, bias = own[f"{scope}kernel"], own[f"{scope}bias"]
        kernel.assign(np.eye(*kernel.shape, dtype=np.float32))
        bias.assign(np.zeros(bias.shape, np.float32))


def _assign(path: Path, variables: Variables, names: dict[str, keras.Variable]) -> None:
    for name, variable in names.items():
        if variables[name].shape != tuple(variable.shape):
            shape = variables[name].shape
            what = f"{path}: {name} does not fit this network"
            hint = f" (the file is of a network with --set model.width={shape[-1] / 64:g})"
            raise ArtifactError(
                expected_received(what, str(tuple(variable.shape)), shape)
                + hint * (name == "conv_1/weights" and len(shape) == 4)
            )
    require_finite(variables, names)
    for name, variable in names.items():
        variable.assign(variables[name])
