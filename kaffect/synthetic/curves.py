"""Curves in face units and their way to pixels (serves the renderer of synthetic Aff-Wild)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Curves = dict[str, Array]


@lru_cache(maxsize=None)
def spline(controls: int, points: int, closed: bool = False) -> Array:
    """Matrix [points, controls] that turns control points into a Catmull-Rom curve."""
    spans = controls if closed else controls - 1
    matrix = np.zeros((points, controls))
    for row, u in enumerate(np.linspace(0, spans, points, endpoint=not closed)):
        i = min(int(u), spans - 1)
        t = u - i
        weights = (
            -0.5 * t**3 + t**2 - 0.5 * t,
            1.5 * t**3 - 2.5 * t**2 + 1,
            -1.5 * t**3 + 2 * t**2 + 0.5 * t,
            0.5 * t**3 - 0.5 * t**2,
        )
        for offset, weight in zip((-1, 0, 1, 2), weights):
            k = (i + offset) % controls if closed else min(max(i + offset, 0), controls - 1)
            matrix[row, k] += weight
    return matrix


def surface(x: Array, y: Array) -> Array:
    """Depth of the face at `x`, `y` (any shape, face units): an ellipsoid, in face units."""
    return 0.95 * np.sqrt(np.clip(1 - (x / 1.12) ** 2 - ((y - 0.1) / 1.75) ** 2, 0.03, 1))


def stack(x: Array, y: Array, lift: float | Array = 0.0) -> Array:
    """Points [..., 3] on the face, `lift` above its surface; `x`, `y` [...] in face units."""
    x, y = np.broadcast_arrays(x, y)
    return np.stack([x, y, surface(x, y) + lift], axis=-1)


def row(*values: float) -> Array:
    """The numbers as an array [1, n]."""
    return np.array(values)[None, :]


def project(points: Array, pose: Array, centre: Array, scale: Array) -> Array:
    """Turn face units into pixels: rotation, weak perspective, then shift and scale.

    Args:
        points: [frames, n, 3] in face units.
        pose: [frames, 3] yaw (positive turns to the right of the image), pitch (positive
            looks up) and roll (positive clockwise), in radians.
        centre: [frames, 2] of the face's origin in pixels.
        scale: [frames] pixels for one face unit.

    Returns:
        [frames, n, 2] pixels, x to the right and y down.
    """
    yaw, pitch, roll = (pose[:, k, None] for k in range(3))
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    y, z = y * np.cos(pitch) - z * np.sin(pitch), z * np.cos(pitch) + y * np.sin(pitch)
    size = scale[:, None] * (1 + 0.08 * (z - 0.6))
    u = centre[:, :1] + size * (x * np.cos(roll) - y * np.sin(roll))
    v = centre[:, 1:] + size * (y * np.cos(roll) + x * np.sin(roll))
    return np.stack([u, v], axis=-1)
