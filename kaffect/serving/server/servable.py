"""What is served: versions of models with named signatures and named, typed tensors.

Serves the engineer. The rest of the server knows a model only by this protocol:
a signature has input and output specifications and is called with arrays. How a
folder becomes one (and that its hashes are checked first) stands in `folders`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kaffect.serving.server.limits import RequestError, shown

DEFAULT_SIGNATURE = "serving_default"
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor: its dtype (object for encoded strings) and shape, None where open."""

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...]

    @property
    def is_string(self) -> bool:
        return self.dtype == np.dtype(object)

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{'string' if self.is_string else self.dtype.name} [{sizes}]"


@dataclass(frozen=True)
class Signature:
    """A function of the model with named inputs and outputs."""

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    call: Callable[[Arrays], Arrays]

    @property
    def joins_rows(self) -> bool:
        """Whether every tensor has an open first axis: requests can be computed together."""
        specs = [*self.inputs.values(), *self.outputs.values()]
        return all(spec.shape and spec.shape[0] is None for spec in specs)


@dataclass(frozen=True, eq=False)
class Servable:
    """One version of one model.

    `definitions` are its signatures as TensorFlow's `SignatureDef` messages, for
    the metadata of both protocols; `keep` holds the loaded model alive.
    """

    name: str
    version: int
    signatures: Mapping[str, Signature]
    definitions: Mapping[str, Any] = field(default_factory=dict)
    keep: Any = None

    def signature(self, name: str = "") -> Signature:
        """A signature by its name, the default one for "".

        Raises:
            RequestError: there is none of that name.
        """
        found = self.signatures.get(name or DEFAULT_SIGNATURE)
        if found is None:
            known = ", ".join(sorted(self.signatures))
            raise RequestError(
                "INVALID_ARGUMENT",
                f"Unknown signature. Expected one of {known}. "
                f"Received: {shown(name or DEFAULT_SIGNATURE)}",
            )
        return found


class Models:
    """All that a server serves, by name and version; the newest version is the default."""

    def __init__(self, servables: Iterable[Servable]) -> None:
        self._models: dict[str, dict[int, Servable]] = {}
        for servable in servables:
            self._models.setdefault(servable.name, {})[servable.version] = servable

    @property
    def names(self) -> list[str]:
        return sorted(self._models)

    def replace(self, name: str, servables: Iterable[Servable]) -> None:
        """Serve these versions of a model and no others from now on, or none at all."""
        self._models[name] = {servable.version: servable for servable in servables}

    def __iter__(self) -> Any:
        return (servable for name in self.names for servable in self.versions(name))

    def versions(self, name: str) -> list[Servable]:
        """Every version of a model, the oldest first.

        Raises:
            RequestError: no model has that name.
        """
        versions = self._models.get(name)
        if versions is None:
            raise RequestError("NOT_FOUND", f"No model {shown(name)} is served here")
        return [versions[number] for number in sorted(versions)]

    def get(self, name: str, version: int | None = None) -> Servable:
        """One version of a model, the newest where none is named.

        Raises:
            RequestError: the model or the version is not served.
        """
        versions = self.versions(name)
        if version is None and versions:
            return versions[-1]
        for servable in versions:
            if servable.version == version:
                return servable
        wanted = "No version" if version is None else f"Version {version}"
        raise RequestError("NOT_FOUND", f"{wanted} of model {name!r} is served here")
