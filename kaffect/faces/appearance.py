"""How a person looks, to recognise them after they were hidden (paper Section III-E).

Colours of the head and of the clothes below it: enough to tell two people of one
video apart, no recognition of who somebody is, and of no use in another video.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kaffect.faces.flow import FlowImage

# Lightness coarsely, the two colour axes finely but only where people's colours lie.
_BINS = (4, 20, 20)
_RANGES = (0, 256, 88, 168, 88, 168)
_LEAST_PIXELS = 60


@dataclass(frozen=True)
class Look:
    """Colour histograms (sum 1) of head and clothes; None where too little of it is seen."""

    head: np.ndarray | None
    clothes: np.ndarray | None

    @classmethod
    def of(cls, image: FlowImage, box: np.ndarray) -> Look:
        """The look of one person.

        Args:
            image: the frame, shrunk.
            box: [4] float (left, top, right, bottom) of the face in pixels of the full frame.
        """
        left, top, right, bottom = box * image.factor
        width, height = right - left, bottom - top
        head = (left - 0.15 * width, top - 0.35 * height, right + 0.15 * width, bottom)
        clothes = (
            left - 0.5 * width,
            bottom + 0.35 * height,
            right + 0.5 * width,
            bottom + 1.5 * height,
        )
        return cls(_histogram(image.colour, head), _histogram(image.colour, clothes))

    def distance(self, other: Look) -> float:
        """0 (equal colours) to 1 (none in common): Hellinger distance of what both show."""
        parts = [
            np.sqrt(max(0.0, 1.0 - float(np.sqrt(mine * yours).sum())))
            for mine, yours in ((self.head, other.head), (self.clothes, other.clothes))
            if mine is not None and yours is not None
        ]
        return float(np.mean(parts)) if parts else 0.5

    def to_array(self) -> np.ndarray:
        """[2, bins] float32: head and clothes, NaN where too little is seen."""
        parts = (self.head, self.clothes)
        nothing = np.full(int(np.prod(_BINS)), np.nan, np.float32)
        return np.stack([nothing if p is None else p.ravel() for p in parts]).astype(np.float32)

    @classmethod
    def from_array(cls, parts: np.ndarray) -> Look:
        """The inverse of `to_array`; histograms come back flat.

        Args:
            parts: [2, bins] float32, head and clothes; NaN where too little is seen.
        """
        return cls(*(None if np.isnan(part).any() else part for part in parts))

    def blended(self, newer: Look, share: float = 0.2) -> Look:
        """This look with a `share` of a newer one: follows slow changes of light."""
        return Look(
            *(
                new if old is None else old if new is None else (1 - share) * old + share * new
                for old, new in ((self.head, newer.head), (self.clothes, newer.clothes))
            )
        )


def _histogram(colour: np.ndarray, region: tuple[float, float, float, float]) -> np.ndarray | None:
    height, width = colour.shape[:2]
    left, top = max(0, round(region[0])), max(0, round(region[1]))
    right, bottom = min(width, round(region[2])), min(height, round(region[3]))
    if right <= left or bottom <= top or (right - left) * (bottom - top) < _LEAST_PIXELS:
        return None
    lab = cv2.cvtColor(colour[top:bottom, left:right], cv2.COLOR_RGB2LAB)
    counts = cv2.calcHist([lab], [0, 1, 2], None, list(_BINS), list(_RANGES))
    # Neighbouring colours are alike: a little more red must not be another person.
    soft = np.stack([cv2.GaussianBlur(plane, (5, 5), 1.2) for plane in counts])
    total = soft.sum()
    return soft / total if total > 0 else None
