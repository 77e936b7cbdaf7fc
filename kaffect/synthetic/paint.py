"""Draws one face into a frame: skin, light, features, hair (renderer of synthetic Aff-Wild)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.canvas import Image, dot, fill, line, loop, mixed, shaded
from kaffect.synthetic.people import Person
from kaffect.synthetic.prototypes import UNIT_COLUMN

Points = dict[str, NDArray[np.int32]]
_RELIEF = (64, 84)  # columns, rows of the relief map; it spans +-1.28 by -1.68..1.68 face units


def relief_map(person: Person, light: tuple[float, float], contrast: float) -> Image:
    """Shading of the still face as one grey map, 128 = unchanged.

    Args:
        light: where it comes from, (x, y) in [-1, 1], y negative from above.
        contrast: 0 flat ... 1 hard.
    """
    columns, rows = _RELIEF
    x = np.linspace(-1.28, 1.28, columns)[None, :]
    y = np.linspace(-1.68, 1.68, rows)[:, None]

    def spot(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.float64]:
        return np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)

    normal_x, normal_y = x / 1.15, y / 1.8
    normal_z = np.sqrt(np.clip(1 - normal_x**2 - normal_y**2, 0.05, 1))
    lx, ly = light
    lz = np.sqrt(max(0.1, 1 - 0.5 * (lx**2 + ly**2)))
    lambert = np.clip(normal_x * lx + normal_y * ly + normal_z * lz, 0, None)
    value = 1.05 + contrast * 0.75 * (lambert - 0.75)
    e, n = person.eye_spacing, person.nose_length
    for s in (-1.0, 1.0):
        value = (
            value
            - 0.16 * spot(s * e, -0.10, 0.30, 0.16)
            - 0.07 * spot(s * e * 0.62, 0.02, 0.10, 0.16)
        )
        value = (
            value + 0.07 * spot(s * 0.58, 0.42, 0.24, 0.16) - 0.06 * spot(s * 0.78, 0.85, 0.2, 0.3)
        )
        side = spot(s * person.nose_width * 0.8, n * 0.7, 0.07, 0.28)
        value = value - side * (0.07 - 0.14 * s * lx * contrast)
    value = value + 0.10 * spot(0, n * 0.45, 0.07, 0.4) + 0.07 * spot(0, -0.75, 0.5, 0.2)
    value = (
        value
        - 0.12 * spot(0, n + 0.09, 0.2, 0.06)
        - 0.10 * spot(0, person.mouth_y + 0.24, 0.2, 0.06)
    )
    value = value + 0.05 * spot(0, person.chin - 0.17, 0.16, 0.1)
    return np.clip(value * 128, 20, 240).astype(np.uint8)


class FacePainter:
    """Paints one person; keeps what does not change between frames."""

    def __init__(self, person: Person, light: tuple[float, float], contrast: float) -> None:
        self.person = person
        self.relief = relief_map(person, light, contrast)
        p = person
        self.white = mixed((238, 234, 230), p.skin, 0.18)
        self.lash = mixed(p.hair, (18, 14, 14), 0.75)
        self.beard_colour = mixed(
            p.skin, p.hair, {"stubble": 0.28, "full": 0.8, "goatee": 0.75}.get(p.beard, 0.0)
        )
        self.hair_dark, self.hair_light = shaded(p.hair, 0.8), shaded(p.hair, 1.16)

    def behind(self, frame: Image, q: Points) -> None:
        """Draw what lies behind the neck, long hair; arguments as in `face`."""
        if "back_hair" in q:
            fill(frame, q["back_hair"], shaded(self.person.hair, 0.7))

    def face(
        self,
        frame: Image,
        q: Points,
        units: NDArray[np.float64],
        affine: NDArray[np.float64],
        s: float,
    ) -> None:
        """Draw the head in front of the neck.

        Args:
            frame: [height, width, 3] uint8 RGB, changed in place.
            q: curves of this frame, [n, 2] each, of `fixed`.
            units: [16] float64, intensities in [0, 1].
            affine: [2, 3] float64, from face units to pixels, for the relief.
            s: pixels for one face unit.
        """
        u = {name: float(units[column]) for name, column in UNIT_COLUMN.items()}
        p = self.person
        for side in "lr":
            fill(frame, q[f"ear_{side}"], shaded(p.skin, 0.88))
            fill(frame, q[f"ear_in_{side}"], shaded(p.skin, 0.72))
        self._skin(frame, q, u, affine, s)
        for side in "lr":
            self._eye(frame, q, u, side, s)
            fill(frame, q[f"brow_{side}"], p.brow_colour)
            fill(frame, q[f"nostril_{side}"], shaded(p.skin, 0.36))
            line(frame, q[f"wing_{side}"], shaded(p.skin, 0.68), 0.022 * s)
        self._mouth(frame, q, u, s)
        self._hair(frame, q, s)

    def _skin(
        self, frame: Image, q: Points, u: dict[str, float], affine: NDArray[np.float64], s: float
    ) -> None:
        p = self.person
        fill(frame, q["face"], p.skin)
        height, width = frame.shape[:2]
        low, high = q["face"].min(0) // 16 - 3, q["face"].max(0) // 16 + 4
        x0, y0 = max(0, int(low[0])), max(0, int(low[1]))
        x1, y1 = min(width, int(high[0])), min(height, int(high[1]))
        if x1 - x0 < 8 or y1 - y0 < 8:
            return
        for side in "lr":
            fill(frame, q[f"cheek_{side}"], mixed(p.skin, (214, 96, 88), 0.12 + 0.08 * u["AU12"]))
        roi = frame[y0:y1, x0:x1]
        if p.beard != "none":
            self._beard(roi, q["beard"] - np.array([x0 * 16, y0 * 16], np.int32), s)
        k = max(3, int(0.09 * s) | 1)
        roi[:] = cv2.blur(roi, (k, k))
        shade = self._shade(q, u, affine, s, (x0, y0, x1, y1))
        cv2.multiply(roi, cv2.merge((shade, shade, shade)), roi, 1 / 128)

    def _beard(self, roi: Image, outline: NDArray[np.int32], s: float) -> None:
        """Blend the beard over the skin with a soft edge."""
        mask = np.zeros(roi.shape[:2], np.uint8)
        fill(mask, outline, 255)
        k = max(3, int(0.2 * s) | 1)
        weight = cv2.blur(mask, (k, k)).astype(np.float32) / 255
        colour = np.empty_like(roi)
        colour[:] = np.clip(self.beard_colour, 0, 255)
        roi[:] = cv2.blendLinear(colour, roi, weight, 1 - weight)

    def _shade(
        self,
        q: Points,
        u: dict[str, float],
        affine: NDArray[np.float64],
        s: float,
        box: tuple[int, int, int, int],
    ) -> Image:
        """Grey map of light and shade within `box`, 128 = unchanged: relief, bulges, folds."""
        x0, y0, x1, y1 = box
        size = (x1 - x0, y1 - y0)
        columns, rows = _RELIEF
        to_map = np.array([[columns / 2.56, 0, columns / 2], [0, rows / 3.36, rows / 2], [0, 0, 1]])
        full = np.vstack([affine, [0, 0, 1]])
        full[:2, 2] -= (x0, y0)
        matrix = (full @ np.linalg.inv(to_map))[:2]
        relief = cv2.warpAffine(
            self.relief, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        origin = np.array([x0 * 16, y0 * 16], np.int32)
        neutral: Image = np.full((size[1], size[0]), 128, np.uint8)
        soft, fine = neutral.copy(), neutral.copy()
        for side in "lr":
            line(soft, q[f"furrow_{side}"] - origin, 128 - 34 * u["AU6"] - 18 * u["AU9"], 0.05 * s)
            bulge = max(u["AU6"], 0.7 * u["AU12"])
            fill(soft, q[f"cheek_{side}"] - origin, 128 + 14 * bulge)
        k = max(3, int(0.16 * s) | 1)
        soft = cv2.blur(soft, (k, k))
        self._folds(fine, q, u, origin, s)
        k = max(3, int(0.055 * s) | 1)
        fine = cv2.blur(fine, (k, k))
        shade = cv2.addWeighted(cv2.addWeighted(relief, 1, soft, 1, -128), 1, fine, 1, -128)
        mask = np.zeros((size[1], size[0]), np.uint8)
        fill(mask, q["face"] - origin, 255)
        # 128 outside of the face: 128 + (shade - 128) * mask, in two saturating halves.
        up = cv2.multiply(cv2.subtract(shade, neutral), mask, scale=1 / 255)
        down = cv2.multiply(cv2.subtract(neutral, shade), mask, scale=1 / 255)
        return cv2.subtract(cv2.add(up, neutral), down)

    def _folds(
        self, fine: Image, q: Points, u: dict[str, float], origin: NDArray[np.int32], s: float
    ) -> None:
        """Lines of the skin: what age leaves and what units deepen."""
        age = self.person.age
        for name, strength, width in (
            ("fold", 0.05 + 0.28 * age + 0.65 * max(u["AU12"], u["AU10"], 0.85 * u["AU9"]), 0.05),
            ("crow0", 0.22 * age + 0.75 * u["AU6"], 0.03),
            ("crow1", 0.25 * age + 0.85 * u["AU6"], 0.03),
            ("crow2", 0.18 * age + 0.7 * u["AU6"], 0.03),
            ("marionette", 0.18 * age + 0.75 * u["AU15"], 0.04),
            ("stretch", 0.75 * u["AU20"], 0.03),
            ("glabella", 0.12 * age + 0.95 * u["AU4"], 0.04),
            ("scrunch0", 0.9 * u["AU9"], 0.04),
            ("scrunch1", 0.9 * u["AU9"], 0.04),
            ("scrunch2", 0.6 * u["AU9"], 0.04),
            ("furrow", 0.25 * age + 0.45 * u["AU6"] + 0.25 * u["AU7"], 0.03),
            ("bridge", 0.16, 0.07),
        ):
            if strength > 0.03:
                grey = 128 - 68 * min(strength, 1.0)
                for side in "lr":
                    line(fine, q[f"{name}_{side}"] - origin, grey, width * s)
        for number in range(3):
            points = q[f"wrinkle{number}"] - origin
            for part, strength in (
                (points[:4], u["AU2"]), (points[3:6], u["AU1"]), (points[5:], u["AU2"]),
            ):  # fmt: skip
                line(fine, part, 128 - 68 * min(1, 0.16 * age + 0.75 * strength), 0.035 * s)
        line(fine, q["dimple"] - origin, 128 - 62 * u["AU17"], 0.05 * s)
        line(fine, q["lip_shadow"] - origin, 128 - 26 - 30 * u["AU17"], 0.06 * s)

    def _eye(self, frame: Image, q: Points, u: dict[str, float], side: str, s: float) -> None:
        p = self.person
        line(frame, q[f"crease_{side}"], shaded(p.skin, 0.62), 0.025 * s)
        fill(frame, q[f"eye_{side}"], self.white)
        fill(frame, q[f"iris_{side}"], p.iris)
        fill(frame, q[f"pupil_{side}"], (16, 14, 14))
        opening = (q[f"lid_bottom_{side}"][5, 1] - q[f"lid_top_{side}"][5, 1]) / 16
        if opening > 0.08 * s:
            dot(frame, q[f"glint_{side}"][0], max(0.6, 0.022 * s), (250, 250, 250))
        line(frame, q[f"lid_bottom_{side}"], shaded(p.skin, 0.62), 0.016 * s)
        line(frame, q[f"lid_top_{side}"], self.lash, 0.04 * s if p.gender == "male" else 0.055 * s)

    def _mouth(self, frame: Image, q: Points, u: dict[str, float], s: float) -> None:
        p = self.person
        if p.moustache:
            fill(frame, q["moustache_base"], mixed(p.skin, p.hair, 0.8))
        opening = float((q["cavity"][17:] - q["cavity"][16::-1])[:, 1].max()) / 16
        if opening > 0.02 * s:
            fill(frame, q["cavity"], (58, 20, 22))
            fill(frame, q["tongue"], (150, 74, 74))
            fill(frame, q["teeth"], (236, 230, 218))
        fill(frame, q["lip_top"], shaded(p.lip, 0.86))
        fill(frame, q["lip_low"], p.lip)
        line(frame, q["lip_line"], shaded(p.lip, 0.42), 0.028 * s)

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
