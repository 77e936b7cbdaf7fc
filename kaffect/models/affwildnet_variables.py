"""Variables of the authors' released AffWildNet networks, by their TensorFlow 1 names (IV-B).

The files are given out for research use only; nothing of them is here. Names and
shapes are those of the published evaluation code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kaffect.errors import ArtifactError
from kaffect.models.vggface import BLOCKS

RESEARCH_USE_ONLY = (
    "The authors of AffWildNet give their networks out for research use only, on condition that "
    "their papers are cited (IJCV 2019, CVPRW 2017)."
)
CONVOLUTIONS = tuple(
    f"conv{block}_{i}" for block, (n, _) in enumerate(BLOCKS, 1) for i in range(1, n + 1)
)
# Of the GRU layer number {}: its part (gates, candidate), and kernel or bias.
CELL = "rnn_1/rnn/multi_rnn_cell/cell_{}/gru_cell/{}/{}"
# What training leaves in a checkpoint beside the network.
_LEFT_OVER = re.compile(
    r"/(Adam(_\d)?|Momentum|RMSProp(_\d)?|ExponentialMovingAverage)$"
    r"|^(.*/)?(beta[12]_power|global_step)$"
)
_FILE = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")

Variables = dict[str, np.ndarray]


def read_variables(path_or_mapping: str | Path | Mapping[str, np.ndarray]) -> Variables:
    """The network's variables by name, without what an optimiser left beside them.

    Args:
        path_or_mapping: a TensorFlow 1 checkpoint (its prefix, one of its files, or its folder) or
            variable name -> array.

    Raises:
        ArtifactError: no TensorFlow checkpoint.
    """
    if isinstance(path_or_mapping, (str, Path)):
        variables = _read(Path(path_or_mapping))
    else:
        given = path_or_mapping.items()
        variables = {name.removesuffix(":0"): np.asarray(v) for name, v in given}
    return {name: v for name, v in variables.items() if not _LEFT_OVER.search(name)}


def _read(path: Path) -> Variables:
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


def is_recurrent(names: Iterable[str]) -> bool:
    """Whether these are the variables of VGGFACE-GRU, and not of a network of single frames."""
    return any(name.startswith("rnn_1/") for name in names)


def require_names(variables: Variables, wanted: Iterable[str]) -> None:
    """Raise `ArtifactError` where a variable of the network is missing."""
    wanted = set(wanted)
    missing = sorted(wanted - set(variables))
    if missing:
        raise ArtifactError(
            f"not an AffWildNet checkpoint: {len(missing)} of {len(wanted)} variables are missing, "
            f"among them {missing[:3]}. Received: {sorted(variables)[:5]} ..."
        )


def require_finite(variables: Variables, names: Iterable[str]) -> None:
    """Raise `ArtifactError` where a variable holds a value that is not finite."""
    for name in names:
        if not np.isfinite(variables[name]).all():
            raise ArtifactError(f"AffWildNet variable {name}: holds values that are not finite")


def dense_names(pattern: str, layer: keras.layers.Layer) -> dict[str, keras.Variable]:
    """Variable name -> weight, of a layer with kernel and bias whose names have this pattern."""
    return {pattern.format("weights"): layer.kernel, pattern.format("biases"): layer.bias}


def convolution_names(vggface: keras.Model) -> dict[str, keras.Variable]:
    """Variable name -> weight, of the 13 convolutions of a model from `vggface_features`."""
    found: dict[str, keras.Variable] = {}
    for place, name in enumerate(CONVOLUTIONS, start=1):
        found |= dense_names(f"conv_{place}/{{}}", vggface.get_layer(name))
    return found
