"""Real faces at a generator's size, to compare generated ones with (paper Section V-A.2)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kaffect.data.batches.pipeline import evaluation_frames, labelled_rows
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import DatasetError
from kaffect.studies.pictures import read_images
from kaffect.studies.sources import Source
from kaffect.training.gan_images import normalise, to_pixels


def real_faces(
    source: Source, size: int, most: int, split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spread labelled faces of a split, as the discriminator sees them.

    Returns:
        uint8 [n <= most, size, size, 3], and their rows in the split [n].

    Raises:
        DatasetError: there is none.
    """
    index = source.split(split)
    rows = labelled_rows(index)
    if not len(rows):
        raise DatasetError(
            f"{source.name}: no annotated frame of the {split} set shows a face; check its videos, "
            "or say where the faces are in boxes/<track>.csv"
        )
    rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    parts = np.array_split(rows, max(1, len(rows) // 512))
    pictures = [to_pixels(normalise(read_images(index, part), size)) for part in parts]
    return np.concatenate(pictures), rows


def faces_in_parts(
    index: FrameIndex, rows: np.ndarray, size: int, part: int = 256
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All faces of `rows` as the discriminator sees them, without holding more than a part.

    Yields:
        uint8 [n <= part, size, size, 3], and their rows in the split [n].
    """
    for batch in evaluation_frames(index, batch=part, rows=rows):
        found = batch["row"].numpy()
        real = found >= 0  # the last part is padded
        yield to_pixels(normalise(batch["images"], size))[real], found[real]
