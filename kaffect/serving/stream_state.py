"""The state of a stream as a file, so that a stream survives the process that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaffect.archives import Headers, read_npz
from kaffect.errors import ArtifactError
from kaffect.files import atomic_write

_SCHEMA = 1
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class StreamState:
    """What one frame hands to the next.

    Attributes:
        arrays: part of the state -> [1, ...]: GRU states, context, window of the last outputs.
        since_reset: frames since the stream began or began anew.
        time: of the last frame in seconds; NaN where frames have no times.
        model: identity of the export that it belongs to.
    """

    arrays: Mapping[str, np.ndarray]
    since_reset: int
    time: float
    model: str

    def save(self, path: str | Path) -> None:
        """Write it as .npz."""
        own = {
            "schema": np.array(_SCHEMA),
            "since_reset": np.array(self.since_reset),
            "time": np.array(self.time),
            "model": np.array(self.model),
        }
        arrays = {f"state/{name}": value for name, value in self.arrays.items()}
        with atomic_write(path, "wb") as handle:
            np.savez(handle, **own, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> StreamState:
        """Read what `save` wrote.

        Raises:
            ArtifactError: missing, damaged or another kind of file.
        """
        values = read_npz(path, "the state of a stream", _MOST_BYTES, _check)
        if int(values.pop("schema")) != _SCHEMA:
            raise ArtifactError(f"{path}: the state of a stream of another version")
        since, time = int(values.pop("since_reset")), float(values.pop("time"))
        model = str(values.pop("model"))
        arrays = {name.removeprefix("state/"): value for name, value in values.items()}
        finite = all(np.isfinite(value).all() for value in arrays.values())
        if not finite or since < 0 or np.isinf(time):
            raise ArtifactError(f"{path}: the state of a stream must be finite numbers")
        return cls(arrays, since, time, model)


# What `save` writes beside the arrays: kind of the type, and its largest size in bytes.
_OWN = {"schema": ("i", 8), "since_reset": ("i", 8), "time": ("f", 8), "model": ("U", 256)}


def _check(headers: Headers) -> None:
    if not headers.keys() >= _OWN.keys():
        raise ValueError(f"it lacks {sorted(_OWN.keys() - headers.keys())}")
    for name, (shape, dtype) in headers.items():
        if name in _OWN:
            kind, largest = _OWN[name]
            fits = dtype.kind == kind and shape == () and dtype.itemsize <= largest
        else:
            fits = dtype == np.float32 and shape[:1] == (1,) and name.startswith("state/")
        if not fits:
            raise ValueError(f"{name!r} holds {dtype} of shape {shape}")
