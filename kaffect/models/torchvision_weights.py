"""ResNet-18 weights under torchvision's names (the second study starts from a pre-trained network).

Read from `.npz` or safetensors, or given as arrays. PyTorch's own `.pth` files are pickles, which
run code when they are read: they are refused with a recipe for converting them.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from kaffect.archives import read_npz, require_kinds
from kaffect.errors import ArtifactError

log = logging.getLogger(__name__)

CONVERT = (
    "convert it where PyTorch is: safetensors.torch.save_file(torch.load(FILE, weights_only=True), "
    "'resnet18.safetensors')"
)
# Ten times the largest ResNet-18 in double precision.
_MOST_BYTES = 2**30
# Of a file these are not needed: the classifier is another one here, the counter is not used.
_IGNORED = ("fc.weight", "fc.bias")
_IGNORED_ENDING = ".num_batches_tracked"
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
         "moving_variance": "running_var"}  # fmt: skip


def load_torchvision_weights(
    model: keras.Model, weights: str | Path | Mapping[str, np.ndarray]
) -> None:
    """Set ResNet-18 inside `model` from weights in torchvision's naming.

    Convolutions are stored [out, in, height, width] there and [height, width, in, out] here. The
    classifier (`fc.*`) and `*.num_batches_tracked` are left aside. The extra normalisations of the
    study's variant have no counterpart and stay as they are (at first: mean 0, variance 1).

    Args:
        model: from `resnet18`, or a model that contains it.
        weights: path of a `.npz` or `.safetensors` file, or name -> array.

    Raises:
        ArtifactError: a file that cannot be read or is a pickle; a name that is missing or unknown;
            another shape; a value that is not a finite floating-point number. The model is
            unchanged then.
    """
    where = "weights" if isinstance(weights, Mapping) else str(weights)
    given = dict(weights) if isinstance(weights, Mapping) else _read(Path(weights))
    wanted = _targets(model)
    names = {n for n in given if n not in _IGNORED and not n.endswith(_IGNORED_ENDING)}
    missing, unknown = sorted(wanted.keys() - names), sorted(names - wanted.keys())
    if missing or unknown:
        raise ArtifactError(
            f"{where}: not the weights of ResNet-18 in torchvision's naming. Expected "
            f"{len(wanted)} arrays. Received: {len(names)}"
            + (f"; missing {', '.join(missing[:3])}" if missing else "")
            + (f"; unknown {', '.join(unknown[:3])}" if unknown else "")
        )
    values = {name: _value(where, name, given[name], wanted[name]) for name in wanted}
    for name, variable in wanted.items():
        variable.assign(values[name])
    log.info("ResNet-18 weights read from %s", where)


def torchvision_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """The inverse: ResNet-18's weights in `model` under torchvision's names and in its layout."""
    found = {}
    for name, variable in _targets(model).items():
        value = variable.numpy()
        found[name] = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
    return found


def _targets(model: keras.Model) -> dict[str, Any]:
    """torchvision's name -> our variable; nested models are searched."""
    found: dict[str, Any] = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= _targets(layer)
        elif layer.name.endswith(".extra"):
            continue
        elif _is_part(layer.name):
            for variable in layer.variables:
                ending = "weight" if variable.name == "kernel" else _NORM[variable.name]
                found[f"{layer.name}.{ending}"] = variable
    return found


def _is_part(name: str) -> bool:
    """Whether a layer with variables is one of ResNet-18's."""
    last = name.rpartition(".")[2]
    return name in ("conv1", "bn1") or (
        name.startswith("layer")
        and (last in ("conv1", "conv2", "bn1", "bn2") or ".downsample." in name)
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file; nothing of it is run."""
    try:
        if path.suffix == ".npz":
            kinds = "fiu"  # whole numbers: the counter, which is left aside
            check = functools.partial(require_kinds, kinds=kinds)
            return read_npz(path, "weights in .npz", _MOST_BYTES, check)
        if path.suffix == ".safetensors":
            if path.stat().st_size > _MOST_BYTES:
                raise ValueError(f"more than {_MOST_BYTES} bytes")
            return safetensors.numpy.load_file(path)
    # Types that NumPy does not have (8 bits) end in errors of several kinds.
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        raise ArtifactError(f"{path}: cannot be read as {path.suffix[1:]}: {error}") from error
    hint = f"; {CONVERT}" if path.suffix in (".pth", ".pt", ".bin", ".pkl") else ""
    raise ArtifactError(
        f"{path}: weights are read from .npz or .safetensors only. Received: {path.name}{hint}"
    )


def _value(where: str, name: str, value: Any, variable: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise ArtifactError(f"{where}: {name} holds {array.dtype}, not numbers with a point")
    shape = tuple(variable.shape)
    expected = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape
    if array.shape != expected:
        raise ArtifactError(
            f"{where}: {name} does not fit. Expected shape {expected}. Received: {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ArtifactError(f"{where}: {name} holds values that are not finite")
    return (array.transpose(2, 3, 1, 0) if array.ndim == 4 else array).astype(np.float32)
