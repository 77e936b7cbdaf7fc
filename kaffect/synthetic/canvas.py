"""Anti-aliased drawing with sub-pixel corners (serves the renderer of synthetic Aff-Wild)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]  # uint8; OpenCV's own annotations know no dtype
Colour = tuple[float, float, float]
_SHIFT = 4
FIXED = 1 << _SHIFT


def fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Points in pixels [..., 2] as the fixed-point numbers that the functions below take."""
    return np.rint(np.clip(points, -4000, 4000) * FIXED).astype(np.int32)


def fill(image: Image, points: NDArray[np.int32], colour: Colour | float) -> None:
    """Fill the polygon `points` [n, 2] (of `fixed`) in an image [height, width(, 3)], in place."""
    cv2.fillPoly(image, [points], colour, cv2.LINE_AA, _SHIFT)


def line(image: Image, points: NDArray[np.int32], colour: Colour | float, width: float) -> None:
    """Draw an open line, `width` pixels wide; arrays as in `fill`."""
    cv2.polylines(image, [points], False, colour, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def loop(image: Image, points: NDArray[np.int32], colour: Colour | float, width: float) -> None:
    """Draw a closed line, `width` pixels wide; arrays as in `fill`."""
    cv2.polylines(image, [points], True, colour, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def dot(image: Image, point: NDArray[np.int32], radius: float, colour: Colour | float) -> None:
    """Draw a disc around `point` [2] (of `fixed`), `radius` in pixels; image as in `fill`."""
    centre = (int(point[0]), int(point[1]))
    cv2.circle(image, centre, max(1, round(radius * FIXED)), colour, -1, cv2.LINE_AA, _SHIFT)


def shaded(colour: Colour, factor: float) -> Colour:
    """`colour` times `factor`; shadows keep more red, as skin does."""
    if factor < 1:
        return (
            colour[0] * (0.2 + 0.8 * factor) if factor > 0.3 else colour[0] * factor * 1.4,
            colour[1] * factor,
            colour[2] * factor,
        )
    return tuple(min(255.0, c * factor) for c in colour)  # type: ignore[return-value]


def mixed(a: Colour, b: Colour, t: float) -> Colour:
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)
