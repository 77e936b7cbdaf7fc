"""CNN features computed once and kept on disk (paper Section IV-C.2: "CNN fixed").

All rows of a table that fix the same CNN read the same file. Its name is a hash of
the weights, the prepared data and the settings; it appears complete or not at all.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from kaffect.data.batches.pipeline import evaluation_frames
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import ArtifactError, DatasetError
from kaffect.files import (
    MANIFEST,
    atomic_directory,
    home,
    stable_hash,
    verify_manifest,
    write_manifest,
    writer_lock,
)
from kaffect.progress import ProgressDisplay

Encode = Callable[[Any], Any]
_VALUES = "features.npy"


class FeatureStore:
    """A folder of features, by default `$KAFFECT_HOME/features`."""

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root) if root is not None else home() / "features"

    def path(self, index: FrameIndex, key: Any) -> Path:
        """Where the features of a split under `key` lie, computed or not."""
        rows = hashlib.sha256(np.ascontiguousarray(index.rows).tobytes()).hexdigest()
        return self.root / stable_hash([index.data.hash, index.name, rows, key])

    def get_or_compute(
        self,
        index: FrameIndex,
        encode: Encode,
        key: Any,
        *,
        batch: int = 64,
        dtype: str = "float32",
        progress: bool = True,
    ) -> np.ndarray:
        """Features of the rows that count in `index`, from disk where they are there.

        Args:
            index: a split or a partition of it; each has a file of its own.
            encode: pictures [batch, h, w, 3] uint8 -> features [batch, F]; called with
                full batches only.
            key: JSON-able: a hash of the weights and every setting of `encode`.
            dtype: of the file, 'float32' or 'float16'.
            progress: whether to show it, with the time that is left.

        Returns:
            [rows of the split, F] memory map, read-only; rows that do not count are 0.

        Raises:
            DatasetError: `encode` gives a feature that is not finite.
        """
        path = self.path(index, [key, dtype])
        found = self._read(path, index)
        if found is not None:
            return found
        with writer_lock(path, "the CNN's features", wait=True):
            found = self._read(path, index)
            if found is not None:
                return found
            with atomic_directory(path) as folder:
                self._compute(folder, index, encode, batch, dtype, progress)
                description = {"data": index.data.hash, "split": index.name, "key": key}
                write_manifest(folder, {**description, "rows": len(index.track), "dtype": dtype})
            found = self._read(path, index)
        if found is None:
            raise DatasetError(f"{path}: was removed while it was being written")
        return found

    def _read(self, path: Path, index: FrameIndex) -> np.ndarray | None:
        """The features at `path`; None where there are none or they are damaged."""
        if not (path / MANIFEST).is_file():
            return None
        try:
            verify_manifest(path)
            values = np.load(path / _VALUES, mmap_mode="r", allow_pickle=False)
        except (ArtifactError, OSError, ValueError):
            return None  # a cache: what is damaged is computed again
        return values if len(values) == len(index.track) else None

    def _compute(
        self,
        folder: Path,
        index: FrameIndex,
        encode: Encode,
        batch: int,
        dtype: str,
        progress: bool,
    ) -> None:
        total, rows = len(index.track), index.rows
        out: np.memmap | None = None
        with ProgressDisplay(len(rows), "CNN features", "frame", show=progress) as shown:
            for element in evaluation_frames(index, batch=batch, rows=rows):
                places = element["row"].numpy()
                places = places[places >= 0]
                values = np.asarray(encode(element["images"]))[: len(places)]
                if not np.isfinite(values).all():
                    raise DatasetError(
                        f"the CNN gives a feature that is not finite in rows {places[0]} to "
                        f"{places[-1]} of split {index.name!r}"
                    )
                if out is None:
                    out = self._open(folder, (total, values.shape[1]), dtype)
                out[places] = values
                shown.update(len(places))
        if out is not None:
            out.flush()

    def _open(self, folder: Path, shape: tuple[int, int], dtype: str) -> np.memmap:
        needed = shape[0] * shape[1] * np.dtype(dtype).itemsize
        free = shutil.disk_usage(folder).free
        if free < 1.1 * needed:
            raise DatasetError(
                f"{folder.parent}: not enough free space for the features. Expected about "
                f"{needed // 2**20} MiB free. Received: {free // 2**20} MiB"
            )
        # Inside of an atomic folder, which is synced as a whole.
        return open_memmap(folder / _VALUES, mode="w+", dtype=dtype, shape=shape)
