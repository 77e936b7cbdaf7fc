"""Light on a moving face: a height map, its normals and a lamp (renderer of synthetic Aff-Wild).

The map lies over the face as seen from the front, in face units (see `people`). Action Units raise
and lower it, folds are grooves in it. Everything here is grey; colours are in `paint`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.canvas import Image, fixed, line
from kaffect.synthetic.curves import surface
from kaffect.synthetic.folds import fold_strengths
from kaffect.synthetic.people import Person
from kaffect.synthetic.prototypes import UNIT_COLUMN

Map = NDArray[Any]  # float32; OpenCV's own annotations know no dtype
COLUMNS, ROWS = 88, 126  # of the map; it spans +-1.28 by TOP ... BOTTOM face units
SIDE, TOP, BOTTOM = 1.28, -1.7, 1.95
_STEP = 2 * SIDE / COLUMNS
PLANE = 0.5  # depth at which the map meets the frame's affine transform, in face units


@lru_cache(maxsize=1)
def _grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = (np.arange(COLUMNS) + 0.5) * _STEP - SIDE
    y = TOP + (np.arange(ROWS) + 0.5) * (BOTTOM - TOP) / ROWS
    return np.broadcast_to(x, (ROWS, COLUMNS)), np.broadcast_to(y[:, None], (ROWS, COLUMNS))


def to_map() -> NDArray[np.float64]:
    """Matrix [3, 3] from face units to pixels of the map."""
    scale_x, scale_y = COLUMNS / (2 * SIDE), ROWS / (BOTTOM - TOP)
    return np.array(
        [(scale_x, 0, SIDE * scale_x - 0.5), (0, scale_y, -TOP * scale_y - 0.5), (0, 0, 1)]
    )


def map_points(curve: NDArray[np.float64]) -> NDArray[np.int32]:
    """Points [..., 3] in face units as `fixed` points [..., 2] of the map."""
    matrix = to_map()
    return fixed(curve[..., :2] * (matrix[0, 0], matrix[1, 1]) + matrix[:2, 2])


def _spot(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.float64]:
    x, y = _grid()
    return np.outer(np.exp(-(((y[:, 0] - cy) / ry) ** 2)), np.exp(-(((x[0] - cx) / rx) ** 2)))


def _pair(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.float64]:
    """The same spot on both sides of the face."""
    x, y = _grid()
    across = np.exp(-(((x[0] - cx) / rx) ** 2)) + np.exp(-(((x[0] + cx) / rx) ** 2))
    return np.outer(np.exp(-(((y[:, 0] - cy) / ry) ** 2)), across)


def _nose(p: Person) -> NDArray[np.float64]:
    x, y = _grid()
    n, wide = p.nose_length, p.nose_width
    t = np.clip((y + 0.18) / (n + 0.08), 0, 1)
    ridge = p.nose_height * (0.12 + 0.88 * t**1.3) * np.exp(-((x / (0.075 + 0.06 * t)) ** 2))
    ridge = ridge / (1 + np.exp((y - n + 0.01) / 0.03)) / (1 + np.exp((-0.24 - y) / 0.05))
    tip = 0.10 * _spot(0, n - 0.10, 0.5 * wide, 0.09)
    return ridge + tip + 0.12 * _pair(wide * 0.78, n - 0.07, 0.08, 0.085)


def _still(p: Person) -> NDArray[np.float64]:
    """Depth of the face at rest, [ROWS, COLUMNS] face units."""
    x, y = _grid()
    e, m, male = p.eye_spacing, p.mouth_y, p.gender == "male"
    brow = p.brow_height
    depth = surface(x / p.face_width, y)
    depth = depth + (0.085 if male else 0.05) * _pair(0.36, -brow + 0.06, 0.27, 0.10)
    depth = depth - 0.09 * _pair(e, -0.04, 0.26, 0.15) - 0.07 * _pair(0.2, 0.02, 0.08, 0.12)
    depth = depth + 0.05 * _pair(e, 0.0, 0.16, 0.10) - 0.03 * _pair(e, 0.17, 0.18, 0.05)
    depth = depth + (0.05 + 0.06 * p.fullness) * _pair(0.58, 0.42, 0.26, 0.20)
    depth = depth - 0.11 * (0.8 - p.fullness) * _pair(0.66, 0.86, 0.20, 0.26)
    depth = depth - 0.05 * _pair(0.98 * p.face_width, -0.4, 0.18, 0.3)
    depth = depth + 0.09 * _spot(0, m, 0.44, 0.28) - 0.025 * _spot(0, m - 0.2, 0.05, 0.10)
    depth = depth + 0.05 * _spot(0, m - 0.07, 0.28, 0.05) - 0.05 * _spot(0, m, 0.34, 0.022)
    depth = depth + 0.06 * _spot(0, m + 0.09, 0.25, 0.06) - 0.09 * _spot(0, m + 0.23, 0.24, 0.07)
    depth = depth + 0.10 * _spot(0, p.chin - 0.2, 0.22, 0.15)
    return depth + _nose(p)


def _bulges(p: Person) -> dict[str, NDArray[np.float64]]:
    """What a unit at full intensity adds to the depth."""
    m, n, brow = p.mouth_y, p.nose_length, p.brow_height
    lips = _spot(0, m, 0.36, 0.14)
    return {
        "AU4": 0.07 * _pair(0.17, 0.12 - brow, 0.09, 0.09) - 0.05 * _spot(0, 0.1 - brow, 0.05, 0.1),
        "AU6": 0.10 * _pair(0.58, 0.36, 0.24, 0.13) - 0.05 * _pair(0.52, 0.16, 0.24, 0.045),
        "AU7": 0.03 * _pair(p.eye_spacing, 0.13, 0.2, 0.05),
        "AU9": 0.06 * _pair(0.17, 0.32, 0.10, 0.14) + 0.06 * _pair(0.32, 0.42, 0.14, 0.14),
        "AU10": 0.07 * _pair(0.36, n, 0.14, 0.14) - 0.03 * _spot(0, m - 0.2, 0.14, 0.08),
        "AU12": 0.12 * _pair(0.62, 0.52, 0.23, 0.18) - 0.05 * _pair(0.72, 0.98, 0.12, 0.16),
        "AU15": 0.05 * _pair(0.36, m + 0.32, 0.12, 0.12) - 0.03 * lips,
        "AU17": 0.08 * _spot(0, p.chin - 0.22, 0.17, 0.10) + 0.04 * _spot(0, m + 0.1, 0.2, 0.06),
        "AU20": -0.05 * _pair(0.55, m - 0.02, 0.10, 0.2) - 0.03 * lips,
        "AU23": 0.05 * _spot(0, m - 0.15, 0.26, 0.05) - 0.04 * lips,
        "AU24": 0.06 * _spot(0, m - 0.15, 0.26, 0.05) - 0.05 * lips,
        "AU26": -0.08 * _pair(0.62, 0.92, 0.2, 0.34),
    }  # fmt: skip


def _grain(p: Person, rng: np.random.Generator) -> tuple[Map, Map]:
    """Uneven skin: small heights that age deepens, and blotches (a factor around 1)."""
    fine = rng.standard_normal((ROWS, COLUMNS))
    soft = cv2.GaussianBlur(fine, (0, 0), 1.2) * 4
    broad = cv2.GaussianBlur(rng.standard_normal((ROWS, COLUMNS)), (0, 0), 5) * 15
    # Old skin sags into creases that run across the face rather than up and down.
    long = cv2.GaussianBlur(rng.standard_normal((ROWS, COLUMNS)), (0, 0), sigmaX=4, sigmaY=0.8) * 6
    heights = (0.001 + 0.0025 * p.age**2) * soft + 0.003 * p.age**2 * long
    blotches = 1 + p.blotches * (0.5 * soft + broad + 0.3 * fine)
    circles = (0.05 + 0.22 * p.eye_circles) * _pair(p.eye_spacing * 0.95, 0.16, 0.2, 0.075)
    return heights.astype(np.float32), (blotches - circles).astype(np.float32)


@dataclass(frozen=True)
class Lamp:
    """Light on faces.

    Attributes:
        direction: where it comes from, (x, y) in [-1, 1], y negative from above.
        contrast: 0 flat ... 1 hard.
    """

    direction: tuple[float, float]
    contrast: float

    def vector(self) -> NDArray[np.float64]:
        """Unit vector [3] to the lamp: right, down, towards the camera."""
        x, y = self.direction
        vector = np.array([x, y, max(0.35, 1.0 - 0.45 * (x * x + y * y))])
        return vector / np.linalg.norm(vector)


def _turned(vector: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """A direction of the camera's as one of the head's: `curves.project` undone."""
    yaw, pitch, roll = pose
    x, y, z = vector
    x, y = x * np.cos(roll) + y * np.sin(roll), y * np.cos(roll) - x * np.sin(roll)
    y, z = y * np.cos(pitch) + z * np.sin(pitch), z * np.cos(pitch) - y * np.sin(pitch)
    x, z = x * np.cos(yaw) - z * np.sin(yaw), z * np.cos(yaw) + x * np.sin(yaw)
    return np.array([x, y, z])


class Relief:
    """Shading of one person's face, frame by frame."""

    def __init__(self, person: Person, lamp: Lamp, rng: np.random.Generator) -> None:
        self.person, self.lamp = person, lamp
        heights, self._albedo = _grain(person, rng)
        self._depth = _still(person).astype(np.float32) + heights
        self._bulges = {k: v.astype(np.float32) for k, v in _bulges(person).items()}
        x, y = _grid()
        self._x, self._y = x.astype(np.float32), y.astype(np.float32)
        self._low = np.clip((y[:, 0] - 0.55) / 0.75, 0, 1)
        self._cast = self._shadows().astype(np.float32)
        self._gloss = person.gloss * 150.0 / max(60.0, sum(person.skin) / 3)

    def _shadows(self) -> NDArray[np.float64]:
        """What nose, brows and lip keep the lamp from, as a factor."""
        p, (lx, ly), c = self.person, self.lamp.direction, self.lamp.contrast
        n, e = p.nose_length, p.eye_spacing
        above = max(0.0, 0.25 - ly)
        side = -np.sign(lx) * min(1.0, abs(lx) * 1.3)
        dark = 0.45 * abs(side) * _spot(0.24 * side, n * 0.72, 0.10, 0.24)
        dark = dark + above * (
            0.55 * _spot(0, n + 0.09, 0.2, 0.06) + 0.5 * _pair(e, -0.12, 0.26, 0.1)
        )
        dark = dark + above * 0.3 * _spot(0, p.mouth_y + 0.22, 0.22, 0.06)
        dark = dark + 0.35 * abs(side) * _spot(side * (e - 0.05), -0.02, 0.26, 0.14)
        still = 0.10 * _pair(e, -0.10, 0.28, 0.12) + 0.08 * _spot(0, n + 0.06, 0.17, 0.05)
        still = still + 0.08 * _pair(p.nose_width * 1.25, n - 0.04, 0.05, 0.08)
        return np.clip(1 - 0.85 * c * dark - still, 0.25, 1)

    def shade(
        self,
        units: NDArray[np.float64],
        folds: dict[str, NDArray[np.int32]],
        drop: float,
        pose: NDArray[np.float64],
    ) -> Image:
        """Grey map [ROWS, COLUMNS] uint8, 128 = the colour as it is.

        Args:
            units: [16] intensities in [0, 1].
            folds: the curves of `folds.FOLDS` in the map, by `map_points`.
            drop: of the jaw, in face units.
            pose: [3] yaw, pitch, roll in radians.
        """
        grooves = self._grooves(units, folds)
        depth = self._lowered(self._depth, drop)
        for name, bulge in self._bulges.items():
            strength = float(units[UNIT_COLUMN[name]])
            if strength > 0.03:
                depth = cv2.scaleAdd(bulge, strength, depth)
        depth = cv2.scaleAdd(grooves, -0.055, depth)
        value = self._lit(depth, pose) * self._albedo
        value *= self._lowered(self._cast, drop)
        value *= 1 - 0.42 * grooves
        grey = np.clip(value * 128, 12, 252).astype(np.uint8)
        return self._seen(grey, depth, pose)

    def _lowered(self, image: Map, drop: float) -> Map:
        """The lower face moved down by `drop`; rows in between are stretched."""
        if drop < 0.01:
            return image
        rows = np.arange(ROWS) - drop * self._low * ROWS / (BOTTOM - TOP)
        index = np.clip(rows.astype(int), 0, ROWS - 2)
        part = (rows - index).astype(np.float32)[:, None]
        lowered: Map = image[index] * (1 - part) + image[index + 1] * part
        return lowered

    def _grooves(self, units: NDArray[np.float64], folds: dict[str, NDArray[np.int32]]) -> Map:
        """Depth of folds, 0 to 1."""
        ink: Image = np.zeros((ROWS, COLUMNS), np.uint8)
        for name, strength, width in fold_strengths(units, self.person.age):
            line(ink, folds[name], 255 * min(1.0, strength), width * COLUMNS / (2 * SIDE))
        return cv2.GaussianBlur(ink, (5, 5), 0.9).astype(np.float32) / 255

    def _lit(self, depth: Map, pose: NDArray[np.float64]) -> Map:
        """Lambert's law, a soft light from above, and gloss."""
        slope_x = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=1 / (8 * _STEP))
        slope_y = cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=1 / (8 * _STEP))
        length = 1 / np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
        lx, ly, lz = (float(v) for v in _turned(self.lamp.vector(), pose))
        raw = (lz - lx * slope_x - ly * slope_y) * length
        front = float(self.lamp.vector()[2])
        c = 0.25 + 0.55 * self.lamp.contrast
        value: Map = (1 - c) * (0.72 + (0.28 + 0.18 * slope_y) * length)
        value = value + np.float32(c / (0.35 + 0.65 * front)) * np.maximum(raw, 0)
        if self._gloss > 0.02:
            half = self.lamp.vector() + (0, 0, 1)
            hx, hy, hz = (float(v) for v in _turned(half / np.linalg.norm(half), pose))
            shine = np.maximum((hz - hx * slope_x - hy * slope_y) * length, 0)
            shine = shine * shine
            shine = shine * shine
            shine = shine * shine
            value = value + np.float32(self._gloss) * shine * shine
        return value

    def _seen(self, grey: Image, depth: Map, pose: NDArray[np.float64]) -> Image:
        """`grey` shifted such that the affine transform of the plane puts it where it is seen."""
        yaw, pitch = float(pose[0]), float(pose[1])
        if max(abs(yaw), abs(pitch)) < 0.03:
            return grey
        across = np.float32(np.tan(np.clip(yaw, -1.0, 1.0)) / _STEP)
        down = np.float32(-np.tan(np.clip(pitch, -0.8, 0.8)) * ROWS / (BOTTOM - TOP))
        columns = np.broadcast_to(np.arange(COLUMNS, dtype=np.float32), grey.shape)
        rows = np.broadcast_to(np.arange(ROWS, dtype=np.float32)[:, None], grey.shape)
        over: Map = cv2.blur(depth, (5, 5)) - np.float32(PLANE)
        map_x, map_y = columns - across * over, rows - down * over
        over = cv2.remap(over, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        map_x, map_y = columns - across * over, rows - down * over
        return cv2.remap(grey, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
