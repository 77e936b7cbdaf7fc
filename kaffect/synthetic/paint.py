"""Draws one face into a frame: skin, light, features, hair (renderer of synthetic Aff-Wild)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.canvas import Image, dot, fill, line, loop, mixed, shaded
from kaffect.synthetic.people import Person
from kaffect.synthetic.prototypes import UNIT_COLUMN
from kaffect.synthetic.relief import Lamp, Relief, to_map

Points = dict[str, NDArray[np.int32]]


@dataclass(frozen=True)
class Look:
    """What one frame shows of one face.

    Attributes:
        points: curves in the frame, [n, 2] each, of `fixed`.
        folds: curves of `FOLDS` in the relief map, [n, 2] each.
        units: [16] intensities in [0, 1].
        drop: of the jaw in face units.
        pose: [3] yaw, pitch, roll in radians.
        affine: [2, 3], from face units to pixels, for the relief.
        scale: pixels for one face unit.
    """

    points: Points
    folds: Points
    units: NDArray[np.float64]
    drop: float
    pose: NDArray[np.float64]
    affine: NDArray[np.float64]
    scale: float


class FacePainter:
    """Paints one person; keeps what does not change between frames."""

    def __init__(self, person: Person, lamp: Lamp, rng: np.random.Generator) -> None:
        self.person = person
        self.relief = Relief(person, lamp, rng)
        p = person
        self.white = mixed((236, 232, 228), p.skin, 0.15)
        self.lid_shadow = shaded(mixed(p.skin, self.white, 0.3), 0.62)
        self.lash = mixed(p.hair, (18, 14, 14), 0.75)
        self.beard_colour = mixed(
            p.skin, p.hair, {"stubble": 0.28, "full": 0.8, "goatee": 0.75}.get(p.beard, 0.0)
        )
        self.hair_dark, self.hair_light = shaded(p.hair, 0.8), shaded(p.hair, 1.16)

    def behind(self, frame: Image, q: Points) -> None:
        """Draw what lies behind the neck, long hair; arguments as in `face`."""
        if "back_hair" in q:
            fill(frame, q["back_hair"], shaded(self.person.hair, 0.7))

    def face(self, frame: Image, look: Look) -> None:
        """Draw the head in front of the neck into `frame` [height, width, 3] uint8 RGB."""
        p, q, s = self.person, look.points, look.scale
        u = {name: float(look.units[column]) for name, column in UNIT_COLUMN.items()}
        for side in "lr":
            fill(frame, q[f"ear_{side}"], shaded(p.skin, 0.82))
            fill(frame, q[f"ear_in_{side}"], shaded(p.skin, 0.6))
        self._skin(frame, q, u, s)
        for side in "lr":
            self._eye(frame, q, u, side, s)
            fill(frame, q[f"nostril_{side}"], shaded(p.skin, 0.36))
        self._mouth(frame, q, u, s)
        self._light(frame, look)
        self._hair(frame, q, s)

    def _skin(self, frame: Image, q: Points, u: dict[str, float], s: float) -> None:
        """What has soft edges: skin, cheeks, beard, brows."""
        p = self.person
        fill(frame, q["face"], p.skin)
        box = _box(frame, q["face"])
        if box is None:
            return
        for side in "lr":
            fill(frame, q[f"cheek_{side}"], mixed(p.skin, (214, 96, 88), 0.10 + 0.06 * u["AU12"]))
        x0, y0, x1, y1 = box
        roi = frame[y0:y1, x0:x1]
        if p.beard != "none":
            self._beard(roi, q["beard"] - np.array([x0 * 16, y0 * 16], np.int32), s)
        k = max(3, int(0.09 * s) | 1)
        roi[:] = cv2.blur(roi, (k, k))
        for side in "lr":
            fill(frame, q[f"brow_{side}"], mixed(p.brow_colour, p.skin, 0.15))
        k = max(3, int(0.045 * s) | 1)
        roi[:] = cv2.blur(roi, (k, k))

    def _beard(self, roi: Image, outline: NDArray[np.int32], s: float) -> None:
        """Blend the beard over the skin with a soft edge."""
        mask = np.zeros(roi.shape[:2], np.uint8)
        fill(mask, outline, 255)
        k = max(3, int(0.2 * s) | 1)
        weight = cv2.blur(mask, (k, k)).astype(np.float32) / 255
        colour = np.empty_like(roi)
        colour[:] = np.clip(self.beard_colour, 0, 255)
        roi[:] = cv2.blendLinear(colour, roi, weight, 1 - weight)

    def _light(self, frame: Image, look: Look) -> None:
        """Light and shade over everything that is drawn of the face so far."""
        outline = look.points["face"]
        box = _box(frame, outline)
        if box is None:
            return
        x0, y0, x1, y1 = box
        size = (x1 - x0, y1 - y0)
        grey = self.relief.shade(look.units, look.folds, look.drop, look.pose)
        full = np.vstack([look.affine, [0, 0, 1]])
        full[:2, 2] -= (x0, y0)
        matrix = (full @ np.linalg.inv(to_map()))[:2]
        shade = cv2.warpAffine(
            grey, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mask: Image = np.zeros((size[1], size[0]), np.uint8)
        outline = outline - np.array([x0 * 16, y0 * 16], np.int32)
        fill(mask, outline, 255)
        loop(mask, outline, 255, 0.07 * look.scale)  # the soft edge of the skin too
        # 128 outside of the face: 128 + (shade - 128) * mask, in two saturating halves.
        neutral: Image = np.full(mask.shape, 128, np.uint8)
        up = cv2.multiply(cv2.subtract(shade, neutral), mask, scale=1 / 255)
        down = cv2.multiply(cv2.subtract(neutral, shade), mask, scale=1 / 255)
        shade = cv2.subtract(cv2.add(up, neutral), down)
        roi = frame[y0:y1, x0:x1]
        cv2.multiply(roi, cv2.merge((shade, shade, shade)), roi, 1 / 128)

    def _eye(self, frame: Image, q: Points, u: dict[str, float], side: str, s: float) -> None:
        p = self.person
        line(frame, q[f"crease_{side}"], shaded(p.skin, 0.66), 0.025 * s)
        fill(frame, q[f"eye_{side}"], self.white)
        line(frame, q[f"lid_top_{side}"], self.lid_shadow, 0.055 * s)
        fill(frame, q[f"iris_{side}"], p.iris)
        fill(frame, q[f"pupil_{side}"], (16, 14, 14))
        opening = (q[f"lid_bottom_{side}"][5, 1] - q[f"lid_top_{side}"][5, 1]) / 16
        if opening > 0.08 * s:
            dot(frame, q[f"glint_{side}"][0], max(0.6, 0.022 * s), (250, 250, 250))
        line(frame, q[f"lid_bottom_{side}"], shaded(p.skin, 0.62), 0.016 * s)
        line(frame, q[f"lid_top_{side}"], self.lash, (0.03 if p.gender == "male" else 0.042) * s)

    def _mouth(self, frame: Image, q: Points, u: dict[str, float], s: float) -> None:
        p = self.person
        if p.moustache:
            fill(frame, q["moustache_base"], mixed(p.skin, p.hair, 0.8))
        opening = float((q["cavity"][17:] - q["cavity"][16::-1])[:, 1].max()) / 16
        if opening > 0.02 * s:
            fill(frame, q["cavity"], (58, 20, 22))
            fill(frame, q["tongue"], (150, 74, 74))
            fill(frame, q["teeth"], (222, 216, 204))
        fill(frame, q["lip_top"], shaded(p.lip, 0.86))
        fill(frame, q["lip_low"], p.lip)
        line(frame, q["lip_line"], shaded(p.lip, 0.36), 0.036 * s)

    def _hair(self, frame: Image, q: Points, s: float) -> None:
        p = self.person
        if "cap" in q:
            fill(frame, q["cap"], p.hair)
            strands = q["strands"].reshape(-1, 4, 2)
            for number, strand in enumerate(strands):
                line(frame, strand, self.hair_light if number % 2 else self.hair_dark, 0.02 * s)
        if p.glasses != "none":
            width = 0.03 * s if p.glasses == "thin" else 0.06 * s
            for side in "lr":
                loop(frame, q[f"rim_{side}"], p.glasses_colour, width)
                line(frame, q[f"temple_{side}"], p.glasses_colour, width)
            line(frame, q["nose_bridge"], p.glasses_colour, width)


def _box(frame: Image, outline: NDArray[np.int32]) -> tuple[int, int, int, int] | None:
    """Pixels around `outline` that lie in the frame; None where these are too few to see."""
    height, width = frame.shape[:2]
    low, high = outline.min(0) // 16 - 3, outline.max(0) // 16 + 4
    x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
    x1, y1 = min(width, int(high[0])), min(height, int(high[1]))
    return None if x1 - x0 < 8 or y1 - y0 < 8 else (x0, y0, x1, y1)
