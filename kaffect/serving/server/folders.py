"""Exported folders (`NAME/VERSION/`) as servables: hashes first, then the graph.

Serves the engineer. The layout is TF Serving's. A SavedModel is a program, so
only an export whose manifest matches is loaded, by the one module that loads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from kaffect.errors import ArtifactError, ConfigError
from kaffect.serving.server.servable import Arrays, Servable, Signature, TensorSpec

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def parse_model(text: str) -> tuple[str, Path]:
    """`NAME=DIR` of the command line; DIR alone takes the folder's own name.

    Raises:
        ConfigError: no name that fits into a URL, or no folder.
    """
    name, sign, folder = text.rpartition("=")
    path = Path(folder)
    name = name if sign else path.resolve().name
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--model {text}: {name!r} is no name of a model. "
            "Expected letters, digits, '_', '-' and '.'"
        )
    if not path.is_dir():
        raise ConfigError(f"--model {text}: {path} is no folder")
    return name, path


def models_below(root: Path) -> list[tuple[str, Path]]:
    """Every folder below `root` that has versions, with its name.

    Raises:
        ConfigError: no folder, or no model in it.
    """
    if not root.is_dir():
        raise ConfigError(f"--models {root}: no folder")
    found = [p for p in sorted(root.iterdir()) if p.is_dir() and _numbered(p)]
    if not found:
        raise ConfigError(f"--models {root}: no model in it. Expected {root}/NAME/VERSION/")
    return [parse_model(f"{path.name}={path}") for path in found]


def _numbered(root: Path) -> dict[int, Path]:
    found = {int(p.name): p for p in root.iterdir() if p.is_dir() and p.name.isdecimal()}
    return dict(sorted(found.items()))


def version_folders(root: Path) -> dict[int, Path]:
    """The versions below a model's folder, by number.

    Raises:
        ArtifactError: there is none.
    """
    found = _numbered(root)
    if not found:
        raise ArtifactError(
            f"{root}: no version of a model. Expected folders named by numbers, "
            f"each written by 'kaffect export' ({root}/1/saved_model.pb). Received: "
            f"{sorted(p.name for p in root.iterdir())[:5]}"
        )
    return found


def load(
    name: str, root: Path, newest_only: bool = False, sha256: Collection[str] = ()
) -> list[Servable]:
    """Every version of a model, or the newest alone; hashes are checked first.

    Args:
        sha256: see `load_export`.

    Raises:
        ArtifactError: no version, or one that is damaged or not an export.
    """
    folders = version_folders(root)
    wanted = list(folders.items())[-1:] if newest_only else folders.items()
    return [_load_version(name, number, path, sha256) for number, path in wanted]


def _load_version(name: str, version: int, path: Path, sha256: Collection[str]) -> Servable:
    # The one place that loads: it checks every hash and what the graph could do.
    from kaffect.serving.loading import load_export

    return servable(name, version, load_export(path, sha256), signature_definitions(path))


def signature_definitions(path: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    """The signatures that `saved_model.pb` declares, without TensorFlow's internal one."""
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((path / "saved_model.pb").read_bytes())
    definitions = stored.meta_graphs[0].signature_def
    return {key: value for key, value in definitions.items() if not key.startswith("__")}


def servable(
    name: str,
    version: int,
    loaded: Any,
    definitions: Mapping[str, meta_graph_pb2.SignatureDef],
) -> Servable:
    """A loaded SavedModel as what the server knows."""
    signatures = {
        key: Signature(
            key,
            _specs(definition.inputs),
            _specs(definition.outputs),
            _caller(loaded.signatures[key], _specs(definition.inputs)),
        )
        for key, definition in definitions.items()
    }
    return Servable(name, version, signatures, dict(definitions), loaded)


def _specs(tensors: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, TensorSpec]:
    specs = {}
    for name, info in tensors.items():
        shape = tuple(None if d.size < 0 else int(d.size) for d in info.tensor_shape.dim)
        specs[name] = TensorSpec(name, np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype), shape)
    return specs


def _caller(function: Any, inputs: Mapping[str, TensorSpec]) -> Any:
    dtypes = {
        name: tf.string if spec.is_string else tf.as_dtype(spec.dtype)
        for name, spec in inputs.items()
    }

    def call(arrays: Arrays) -> Arrays:
        tensors = {name: tf.constant(arrays[name], dtypes[name]) for name in dtypes}
        return {name: value.numpy() for name, value in function(**tensors).items()}

    return call
