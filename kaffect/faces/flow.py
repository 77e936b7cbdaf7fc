"""Moves a box with what is inside it from frame to frame (paper Section III-A: 30 frames a second).

Median flow (Z. Kalal, K. Mikolajczyk, J. Matas: Forward-backward error, ICPR 2010):
points of a grid inside the box go forward with the optical flow of Lucas and Kanade
and back again; those that return near their start vote for shift and scale with
their medians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kaffect.faces.detector import shrink

_GRID = 9
_WINDOW, _LEVELS = (15, 15), 3
_INSET = 0.12  # the corners of a face box show background
_LEAST_POINTS = 8
_PATCH = 24


@dataclass(frozen=True)
class FlowImage:
    """A frame made ready for following and comparing.

    Attributes:
        colour: [h, w, 3] uint8 RGB, small.
        grey: [h, w] uint8.
        factor: small pixels for each pixel of the frame.
    """

    colour: np.ndarray
    grey: np.ndarray
    factor: float

    @classmethod
    def of(cls, frame: np.ndarray, longest_side: int) -> FlowImage:
        """Shrink a frame [height, width, 3] uint8 RGB to at most `longest_side` pixels."""
        colour, factor = shrink(frame, longest_side)
        grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
        return cls(colour, grey, factor)


@dataclass(frozen=True)
class Motion:
    """What the inside of a box did between two frames.

    Attributes:
        shift: (x, y) of the centre, in pixels of the frame.
        scale: growth about the centre.
        certainty: share of the points that came back near their start, 0 to 1.
    """

    shift: np.ndarray
    scale: float
    certainty: float

    def move(self, points: np.ndarray, centre: np.ndarray) -> np.ndarray:
        """Points of the frame before, in the frame after.

        Args:
            points: [n, 2] float (x, y) in pixels of the full frame.
            centre: [2] float, the centre of the box, in the same pixels.

        Returns:
            [n, 2] float.
        """
        return (points - centre) * self.scale + centre + self.shift


_STILL = Motion(np.zeros(2), 1.0, 0.0)


def follow(before: FlowImage, after: FlowImage, boxes: Sequence[np.ndarray]) -> list[Motion]:
    """The motion of the inside of each box from one image to the next.

    Args:
        boxes: [4] float (left, top, right, bottom) each, in pixels of the full frame.
    """
    grids = [_grid(before, box) for box in boxes]
    if not any(len(grid) for grid in grids):
        return [_STILL] * len(boxes)
    # All boxes in one call: OpenCV prepares both images only once.
    start = np.concatenate(grids).astype(np.float32)[:, None]
    there, found = _flow(before, after, start)
    back, found_back = _flow(after, before, there)
    error = np.linalg.norm(back - start, axis=-1).ravel()
    motions, first = [], 0
    for box, grid in zip(boxes, grids):
        rows = slice(first, first + len(grid))
        first += len(grid)
        limit = max(0.6, 0.015 * (box[2] - box[0]) * before.factor)
        good = found[rows] & found_back[rows] & (error[rows] < limit)
        motions.append(_motion(box * before.factor, start[rows, 0], there[rows, 0], good, before))
    return motions


def _grid(image: FlowImage, box: np.ndarray) -> np.ndarray:
    """[81, 2] points of the small image inside the box, or [0, 2] where hardly any is in it."""
    height, width = image.grey.shape
    left, top, right, bottom = box * image.factor
    across, down = (right - left) * _INSET, (bottom - top) * _INSET
    xs = np.linspace(max(left + across, 0), min(right - across, width - 1), _GRID)
    ys = np.linspace(max(top + down, 0), min(bottom - down, height - 1), _GRID)
    if xs[-1] - xs[0] < 4 or ys[-1] - ys[0] < 4:
        return np.zeros((0, 2))
    return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)


def _flow(first: FlowImage, second: FlowImage, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points [n, 1, 2] went, and whether they were found, [n]."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        first.grey, second.grey, points, points.copy(), winSize=_WINDOW, maxLevel=_LEVELS
    )
    return there, found.ravel() == 1


def _motion(
    small_box: np.ndarray, old: np.ndarray, new: np.ndarray, good: np.ndarray, image: FlowImage
) -> Motion:
    if good.sum() < _LEAST_POINTS:
        return _STILL
    certainty = float(good.mean())
    old, new = old[good].astype(np.float64), new[good].astype(np.float64)
    scale = _growth(old, new)
    centre = (small_box[:2] + small_box[2:]) / 2
    shift = np.median(new - ((old - centre) * scale + centre), axis=0)
    return Motion(shift / image.factor, scale, certainty)


def _growth(old: np.ndarray, new: np.ndarray) -> float:
    """The median ratio of the distances between points, after to before."""
    first, second = np.triu_indices(len(old), 1)
    before = np.linalg.norm(old[first] - old[second], axis=1)
    after = np.linalg.norm(new[first] - new[second], axis=1)
    far = before > np.median(before)  # near pairs say little about scale
    if not far.any():
        return 1.0
    return float(np.clip(np.median(after[far] / before[far]), 0.9, 1.1))


def patch(image: FlowImage, box: np.ndarray) -> np.ndarray:
    """What is inside a box, for `likeness`.

    Args:
        box: [4] float (left, top, right, bottom) in pixels of the full frame.

    Returns:
        [576] float64 grey values with mean 0 and norm 1, or all 0 where nothing can be seen.
    """
    height, width = image.grey.shape
    left, top, right, bottom = np.round(box * image.factor).astype(int)
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, width), min(bottom, height)
    if right - left < 4 or bottom - top < 4:
        return np.zeros(_PATCH * _PATCH)
    small = cv2.resize(
        image.grey[top:bottom, left:right], (_PATCH, _PATCH), interpolation=cv2.INTER_AREA
    )
    values = small.astype(np.float64).ravel()
    values -= values.mean()
    norm = np.linalg.norm(values)
    return values / norm if norm > 1e-6 else np.zeros_like(values)


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two results of `patch` ([576] each), -1 to 1."""
    return float(first @ second)
