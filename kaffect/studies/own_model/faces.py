"""The rendered pictures that the project's own network learns from, kept in files.

One picture each of many people, grey: files of `CHUNK` pictures below one folder, so that a
rendering that was stopped goes on where it ended.
"""

from __future__ import annotations

import multiprocessing
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kaffect.files import write_arrays
from kaffect.synthetic.random_faces import random_face

CHUNK = 1000
SIDE = 96  # pixels of a stored picture
_COLUMNS = ("image", "expression", "valence_arousal", "action_units")


@dataclass(frozen=True)
class Faces:
    """Pictures and their labels.

    Attributes:
        image: [n, SIDE, SIDE] uint8, grey.
        expression: [n] int32, classes of `AFF_WILD2.expressions`.
        valence_arousal: [n, 2] float32 in [-1, 1].
        action_units: [n, 12] float32, 0 or 1, as `AFF_WILD2.action_units`.
    """

    image: NDArray[np.uint8]
    expression: NDArray[np.int32]
    valence_arousal: NDArray[np.float32]
    action_units: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.image)

    def part(self, where: slice) -> Faces:
        """Some of them."""
        return Faces(*(getattr(self, name)[where] for name in _COLUMNS))


def render_faces(
    folder: Path,
    count: int,
    seed: int,
    processes: int = 2,
    report: Callable[[int], None] = lambda done: None,
) -> Faces:
    """Pictures 0 ... count - 1 of `seed`; those that are in `folder` already are not drawn again.

    Args:
        count: a multiple of `CHUNK`.
        report: called with the number of pictures that are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{start:06d}.npz" for start in range(0, count, CHUNK)]
    missing = [(path, seed, int(path.stem)) for path in paths if not _is_whole(path)]
    done = len(paths) - len(missing)
    report(done * CHUNK)
    if missing:
        # Not forked: TensorFlow's threads do not survive that.
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for _ in pool.imap_unordered(_render_chunk, missing):
                done += 1
                report(done * CHUNK)
    return _read(paths)


def _is_whole(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _render_chunk(job: tuple[Path, int, int]) -> None:
    path, seed, start = job
    cv2.setNumThreads(1)
    faces = [random_face(seed, number, SIDE) for number in range(start, start + CHUNK)]
    arrays: dict[str, Any] = {
        "image": np.stack([cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY) for face in faces]),
        "expression": np.array([face.expression for face in faces], np.int32),
        "valence_arousal": np.stack([face.valence_arousal for face in faces]),
        "action_units": np.stack([face.action_units for face in faces]).astype(np.float32),
    }
    write_arrays(path, arrays)


def _read(paths: list[Path]) -> Faces:
    found: dict[str, list[np.ndarray]] = {name: [] for name in _COLUMNS}
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            for name in _COLUMNS:
                found[name].append(arrays[name])
    return Faces(*(np.concatenate(found[name]) for name in _COLUMNS))
