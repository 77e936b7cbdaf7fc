"""Generated clips with coloured squares for faces, and a detector that finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kaffect.faces import Detection, FaceDetector

SIDE = 40
WIDTH, HEIGHT = 160, 120
_COLOURS = ((210, 60, 50), (50, 90, 220))  # of the first and the second person


def scene(*places: tuple[int, int] | None, seed: int = 0) -> np.ndarray:
    """A frame with a square for each person at (left, top); None where that one is away."""
    image = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    # Something to hold on to for the optical flow; the same on every frame.
    image += np.random.default_rng(9).integers(0, 20, image.shape, dtype=np.uint8)
    for number, place in enumerate(places):
        if place is not None:
            left, top = place
            square = np.zeros((SIDE, SIDE, 3), np.int64) + _COLOURS[number]
            pattern = np.random.default_rng(number).integers(-45, 45, (SIDE // 5, SIDE // 5, 1))
            square += np.repeat(np.repeat(pattern, 5, 0), 5, 1)
            image[top : top + SIDE, left : left + SIDE] = np.clip(square, 0, 255)
    return image


class SquareDetector(FaceDetector):
    """Finds the squares by their colour."""

    name = "squares"
    sure = 0.8

    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: np.ndarray) -> list[Detection]:
        red, green, blue = (frame[..., i].astype(int) for i in range(3))
        found = []
        for mask in (red - np.maximum(green, blue) > 70, blue - np.maximum(green, red) > 70):
            ys, xs = np.nonzero(mask)
            if len(ys) > SIDE * SIDE // 4:
                box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
                found.append(Detection(box, 0.9))
        return found

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}
