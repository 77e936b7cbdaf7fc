"""A list of labelled pictures whose classes differ by the side on which they are bright."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from kaffect.data.batches.pipeline import evaluation_frames
from kaffect.data.prepared.records import FrameIndex

PICTURES = 24


def write_half_bright(folder: Path) -> Path:
    """A list of pictures, bright on the left for Anger and on the right for Fear."""
    rng = np.random.default_rng(5)
    lines = ["path,valence,arousal,expression,AU1,AU12,split"]
    for number in range(PICTURES + 2):
        image = rng.integers(0, 90, (32, 32, 3)).astype(np.uint8)
        half = image[:, 16:] if number % 2 else image[:, :16]
        half += np.uint8(rng.integers(40, 160))
        cv2.imwrite(str(folder / f"{number}.png"), image)
        split = ("train", "validation")[number] if number < 2 else "test"
        va = ",".join(f"{value:.3f}" for value in rng.uniform(-1, 1, 2))
        units = ",".join(str(value) for value in rng.integers(0, 2, 2))
        lines.append(f"{number}.png,{va},{('Anger', 'Fear')[number % 2]},{units},{split}")
    (folder / "faces.csv").write_text("\n".join(lines) + "\n")
    return folder / "faces.csv"


def pictures_of(index: FrameIndex) -> np.ndarray:
    """[rows, size, size, 3] uint8."""
    images = [each["images"].numpy() for each in evaluation_frames(index, batch=1)]
    return np.concatenate(images)
