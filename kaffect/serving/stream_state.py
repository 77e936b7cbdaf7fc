"""The state of a stream as a file, so that a stream survives the process that reads it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
        try:
            if Path(path).stat().st_size > _MOST_BYTES:
                raise ArtifactError(f"{path}: too large for the state of a stream")
            with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as stored:
                values = {name: stored[name] for name in stored.files}
            if int(values.pop("schema")) != _SCHEMA:
                raise ArtifactError(f"{path}: the state of a stream of another version")
            since, time = int(values.pop("since_reset")), float(values.pop("time"))
            model = str(values.pop("model"))
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"{path}: not the state of a stream: {error}") from error
        arrays = {name.removeprefix("state/"): value for name, value in values.items()}
        if any(not np.isfinite(value).all() for value in arrays.values()):
            raise ArtifactError(f"{path}: the state of a stream must be finite numbers")
        return cls(arrays, since, time, model)
