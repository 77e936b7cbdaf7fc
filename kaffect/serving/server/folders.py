"""Exported folders (`NAME/VERSION/`) as servables: hashes first, then the graph.

Serves the engineer. The layout is TF Serving's. A SavedModel is a program, so
only an export whose manifest matches is loaded, by the one module that loads.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from kaffect.errors import ArtifactError, ConfigError
from kaffect.serving.server.servable import Arrays, Servable, Signature, TensorSpec
from kaffect.serving.server.versions import Versions, numbered

LOG = logging.getLogger(__name__)
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


def models_below(root: Path, report: Callable[[str], None] = LOG.error) -> list[tuple[str, Path]]:
    """Every folder below `root` that has versions, with its name.

    Args:
        report: is told of folders with versions whose name is no name of a model.

    Raises:
        ConfigError: no folder, or no model in it.
    """
    if not root.is_dir():
        raise ConfigError(f"--models {root}: no folder")
    models = []
    for path in sorted(root.iterdir()):
        if not path.is_dir() or not any(numbered(path)):
            continue
        try:
            models.append(parse_model(f"{path.name}={path}"))
        except ConfigError as error:
            report(f"not served: {error}")
    if not models:
        raise ConfigError(f"--models {root}: no model in it. Expected {root}/NAME/VERSION/")
    return models


def versions(
    name: str,
    root: Path,
    newest_only: bool = False,
    sha256: Collection[str] = (),
    report: Callable[[str], None] = LOG.error,
) -> Versions:
    """The versions of a model that can be served, loaded and tried.

    Args:
        newest_only: the newest of them, and no older one.
        sha256: see `load_export`.
        report: is told in one line of each folder that cannot be served.
    """
    found = Versions(name, root, _load_version, newest_only, sha256, report)
    found.look()
    return found


def load(
    name: str, root: Path, newest_only: bool = False, sha256: Collection[str] = ()
) -> list[Servable]:
    """As `versions`: those that can be served.

    Raises:
        ArtifactError: there is none; says what is wrong with the newest.
    """
    lines: list[str] = []
    found = versions(name, root, newest_only, sha256, lines.append)
    if not found.servables:
        raise ArtifactError(lines[0])
    return found.servables


def _load_version(name: str, version: int, path: Path, sha256: Collection[str]) -> Servable:
    # The one place that loads: it checks every hash and what the graph could do.
    from kaffect.serving.loading import check_loaded, load_export
    from kaffect.serving.server.warmup import replay

    export = load_export(path, sha256)
    check_loaded(export)
    loaded = servable(name, version, export, signature_definitions(export.graph))
    replay(loaded, path)
    return loaded


def signature_definitions(data: bytes) -> dict[str, meta_graph_pb2.SignatureDef]:
    """The signatures that the bytes of a `saved_model.pb` declare, without TensorFlow's own."""
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString(data)
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
