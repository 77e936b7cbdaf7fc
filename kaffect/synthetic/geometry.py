"""The face of synthetic Aff-Wild as curves that Action Units bend (paper Section I).

All frames of a video are computed at once: every curve is an array [frames,
points, 3] in face units (see `people`), projected to pixels by `curves.project`. A
unit's effect is written once, here, next to its number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaffect.synthetic.curves import Array, Curves, row, spline, stack
from kaffect.synthetic.people import Person
from kaffect.synthetic.prototypes import DRAWN_UNITS

SIDES = {"l": -1.0, "r": 1.0}  # of the image, not of the person


@dataclass(frozen=True)
class State:
    """What moves in a face, for each frame.

    Attributes:
        units: [frames, 16] intensities in [0, 1], columns as `DRAWN_UNITS`.
        lids: [frames] opening of the eyes, 1 = relaxed, 0 = closed.
        gaze: [frames, 2] of the iris, in shares of the room that it has.
    """

    units: Array
    lids: Array
    gaze: Array


class FaceShape:
    """Builds the curves of one person for the states of a video."""

    def __init__(self, person: Person, state: State) -> None:
        self.person = person
        self.state = state
        gain = np.array(person.unit_gain)
        self._units = {
            side: np.clip(state.units * gain * (person.asymmetry ** (0.5 * s)), 0, 1.15)
            for side, s in SIDES.items()
        }
        self.drop = person.jaw * self.unit("AU26") * 0.36 + self.unit("AU25") * 0.05

    def unit(self, name: str, side: str | None = None) -> Array:
        """Intensity [frames, 1] of a unit as this person shows it, on one side or on both."""
        column = DRAWN_UNITS.index(name)
        if side is not None:
            return self._units[side][:, column : column + 1]
        return 0.5 * (self.unit(name, "l") + self.unit(name, "r"))

    def curves(self) -> Curves:
        """Every curve by name; `_l` and `_r` end those of one side of the image."""
        result = self._outline()
        for side, sign in SIDES.items():
            parts = {**self._brow(side), **self._eye(side), **self._cheek(side), **self._nose(side)}
            for name, (x, y, lift) in parts.items():
                result[f"{name}_{side}"] = stack(x * sign, y, lift)
        for name, (x, y, lift) in {**self._mouth(), **self._forehead()}.items():
            result[name] = stack(x, y, lift)
        return result

    def _outline(self) -> Curves:
        p = self.person
        half = np.array([
            (0.0, -1.5), (0.5, -1.42), (0.84, -1.1), (0.98, -0.6), (1.0, -0.1), (0.97, 0.35),
            (0.5 + 0.5 * p.jaw_width, 0.75), (p.jaw_width * 0.86, 1.1),
            (0.3 + p.chin_width * 0.7, p.chin - 0.17), (p.chin_width * 0.75, p.chin - 0.02),
            (0.0, p.chin),
        ])  # fmt: skip
        half[:, 0] *= p.face_width
        full = np.concatenate([half, half[-2:0:-1] * (-1, 1)])
        base = spline(len(full), 60, True) @ full
        low = np.clip((base[:, 1] - 0.45) / 0.9, 0, 1)
        y = (
            base[None, :, 1]
            + (self.drop - 0.05 * self.unit("AU17")) * (low**2 * (3 - 2 * low))[None]
        )
        x = np.broadcast_to(base[None, :, 0], y.shape)
        z = 0.12 + 0.3 * np.clip(1 - np.abs(x) / 0.8, 0, 1)
        return {"face": np.stack([x, y, z], axis=-1)}

    def _brow(self, side: str) -> dict[str, tuple[Array, Array, float]]:
        p = self.person
        au1, au2, au4 = (self.unit(name, side) for name in ("AU1", "AU2", "AU4"))
        au9 = self.unit("AU9", side)
        along = row(0, 0.25, 0.5, 0.75, 1)
        x = 0.17 + along * (p.eye_spacing + 0.17) - au4 * row(0.09, 0.06, 0.03, 0.01, 0)
        y = -p.brow_height - p.brow_arch * np.sin(np.pi * along**0.8) - p.brow_tilt * (along - 0.5)
        y = y + 0.06 * along**3 - au1 * row(0.22, 0.16, 0.07, 0.01, 0)
        y = y - au2 * row(0.0, 0.06, 0.15, 0.20, 0.18) + au9 * row(0.16, 0.13, 0.08, 0.04, 0.02)
        # With AU1 the brow cannot be pulled down inside: the pair gives the oblique brow.
        y = y + au4 * row(0.24, 0.19, 0.13, 0.07, 0.03) * (1 - 0.75 * np.minimum(au1, 1))
        matrix = spline(5, 12)
        x, y = x @ matrix.T, y @ matrix.T
        t = np.linspace(0, 1, 12)
        half = p.brow_thickness * np.interp(t, [0, 0.15, 0.6, 1], [0.55, 0.85, 0.75, 0.15])[None]
        half = half * (1 + 0.15 * au4)
        outline_x = np.concatenate([x, x[:, ::-1]], axis=1)
        outline_y = np.concatenate([y - half, (y + half)[:, ::-1]], axis=1)
        return {"brow": (outline_x, outline_y, 0.04), "brow_line": (x, y, 0.04)}

    def _eye(self, side: str) -> dict[str, tuple[Array, Array, float]]:
        p, lids = self.person, self.state.lids[:, None]
        au4, au5, au6, au7 = (self.unit(n, side) for n in ("AU4", "AU5", "AU6", "AU7"))
        smile = np.maximum(au6, 0.8 * self.unit("AU9", side))
        sad = np.minimum(self.unit("AU1", side), self.unit("AU4", side))
        droop = 0.22 * sad * (1 - np.minimum(au5, 1))
        t = np.linspace(-1, 1, 11)[None]
        tilt = (p.eye_tilt * -t) + 0.0
        x = p.eye_spacing + p.eye_width * t + np.zeros_like(lids)
        bow = (1 - t**2) * (1 - 0.15 * t)
        narrowed = 0.3 * au7 + 0.08 * au4 + 0.25 * smile + droop
        upper = p.eye_height * lids * (1 + 0.9 * au5 - narrowed)
        lower = p.eye_height * np.minimum(lids, 1) * (0.75 - 0.45 * au7 - 0.5 * smile + 0.2 * au5)
        top, bottom = tilt - upper * bow, tilt + np.maximum(lower, -0.02) * bow
        bottom = np.maximum(bottom, top)
        radius = 0.4 * p.eye_height + 0.055
        angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)[None]
        gx = p.eye_spacing + self.state.gaze[:, :1] * 0.09 * SIDES[side]
        gy = -0.02 + self.state.gaze[:, 1:] * 0.045
        parts: dict[str, tuple[Array, Array, float]] = {}
        for name, r in (("iris", radius), ("pupil", radius * 0.48)):
            ix, iy = gx + r * np.cos(angle), gy + r * np.sin(angle)
            u = np.clip((ix - p.eye_spacing) / p.eye_width, -1, 1)
            reach = (1 - u**2) * (1 - 0.15 * u)
            iy = np.clip(iy, -p.eye_tilt * u - upper * reach, -p.eye_tilt * u + lower * reach)
            parts[name] = (ix, iy, 0.02)
        glint = (gx + radius * 0.35 * SIDES[side], np.minimum(gy - radius * 0.3, gy), 0.02)
        crease = tilt - np.maximum(upper * bow + 0.055, 0.7 * p.eye_height * bow + 0.045)
        furrow = tilt + np.maximum(lower, 0) * bow + 0.10 - 0.03 * smile + 0.03 * (1 - t**2)
        return {
            **parts,
            "glint": glint,
            "eye": (
                np.concatenate([x, x[:, ::-1]], 1),
                np.concatenate([top, bottom[:, ::-1]], 1),
                0.02,
            ),
            "lid_top": (x, top, 0.02),
            "lid_bottom": (x, bottom, 0.02),
            "crease": (x, crease, 0.02),
            "bag": (x[:, 2:-1] + 0.02, furrow[:, 2:-1] + 0.085, 0.02),
            "furrow": (x[:, 1:-1] + 0.02, furrow[:, 1:-1], 0.02),
        }

    def _cheek(self, side: str) -> dict[str, tuple[Array, Array, float]]:
        p = self.person
        au6, au12 = self.unit("AU6", side), self.unit("AU12", side)
        angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)[None]
        cx, cy = 0.56 + 0.03 * au12, 0.50 - 0.12 * au6 - 0.06 * au12
        parts = {"cheek": (cx + 0.27 * np.cos(angle), cy + 0.16 * np.sin(angle), 0.02)}
        outer = p.eye_spacing + p.eye_width
        for number, rise in enumerate((-0.10, 0.02, 0.13)):
            x = outer + row(0.04, 0.11, 0.19)
            parts[f"crow{number}"] = (x + 0 * au6, rise * row(0.4, 0.8, 1.3) + 0.02 + 0 * au6, 0.0)
        return parts

    def _nose(self, side: str) -> dict[str, tuple[Array, Array, float]]:
        p = self.person
        au9, au10, au12 = (self.unit(name, side) for name in ("AU9", "AU10", "AU12"))
        rise = 0.10 * au9 + 0.035 * au10
        y0 = p.nose_length - rise
        width = p.nose_width * (1 + 0.12 * au12 + 0.10 * au9)
        angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)[None]
        nostril = (0.5 * width + 0.055 * np.cos(angle), y0 + 0.01 + 0.026 * np.sin(angle), 0.2)
        wing = (width * row(0.8, 1.02, 1.05, 0.8), y0 + row(-0.15, -0.09, 0.0, 0.035), 0.12)
        corner_x, corner_y = self._corner(side)
        begin_y, begin_x = y0 - 0.08, width + 0.06
        depth = np.maximum(au12, np.maximum(au9, au10))
        end_x = np.maximum(corner_x + 0.10, begin_x + 0.12) + 0.03 * au12
        end_y = np.maximum(corner_y + 0.04, begin_y + 0.25)
        mid_x = 0.5 * (begin_x + end_x) + 0.05 * depth
        mid_y = 0.5 * (begin_y + end_y) - 0.05 * depth
        fold_x = np.concatenate([begin_x, mid_x, end_x], 1) @ spline(3, 8).T
        fold_y = np.concatenate([begin_y, mid_y, end_y], 1) @ spline(3, 8).T
        down_x = corner_x + row(0.02, 0.06, 0.08)
        down_y = corner_y + row(0.03, 0.10, 0.19)
        pull_x = corner_x + 0.055 + row(0.0, 0.03, 0.0)
        pull_y = corner_y + row(-0.07, 0.0, 0.07)
        scrunch = {
            f"scrunch{n}": (
                row(0.02, 0.09, 0.17) + 0 * au9,
                y + row(0.02, -0.01, -0.05) - 0.03 * au9,
                0.18,
            )
            for n, y in enumerate((0.10, 0.20, 0.30))
        }
        return {
            "nostril": nostril,
            "wing": wing,
            "fold": (fold_x, fold_y, 0.02),
            "marionette": (down_x, down_y, 0.03),
            "stretch": (pull_x, pull_y, 0.03),
            "bridge": (
                width * row(0.5, 0.36, 0.42, 0.7),
                row(-0.12, 0.12, 0.36, p.nose_length - 0.14),
                0.15,
            ),
            **scrunch,
        }

    def _corner(self, side: str) -> tuple[Array, Array]:
        """Place of a lip corner, [frames, 1] each, x counted outwards."""
        p = self.person
        u = {name: self.unit(name, side) for name in DRAWN_UNITS}
        x = (
            p.mouth_width
            + 0.16 * u["AU12"]
            + 0.14 * u["AU20"]
            - 0.05 * u["AU23"]
            - 0.06 * u["AU24"]
        )
        x = x - 0.11 * u["AU26"] * (1 - 0.6 * np.minimum(np.maximum(u["AU20"], u["AU12"]), 1))
        x = x - 0.03 * u["AU17"] + 0.03 * u["AU15"]
        y = p.mouth_y + p.mouth_corner - 0.25 * u["AU12"] + 0.20 * u["AU15"] + 0.062 * u["AU20"]
        return x, y + 0.08 * u["AU26"] + 0.02 * u["AU25"]

    def _mouth(self) -> dict[str, tuple[Array, Array, float]]:
        p = self.person
        u = {name: self.unit(name) for name in DRAWN_UNITS}
        lx, ly = self._corner("l")
        rx, ry = self._corner("r")
        t = np.linspace(-1, 1, 17)[None]
        x = np.where(t < 0, lx * t, rx * t)
        centre = (
            p.mouth_y - 0.03 * u["AU10"] - 0.03 * u["AU9"] - 0.05 * u["AU17"] + 0.02 * u["AU12"]
        )
        corner = np.where(t < 0, ly, ry)
        middle = centre + (corner - centre) * np.abs(t) ** 1.9
        bow = 1 - t**2
        part = u["AU25"] * 0.15 * (1 - 0.6 * np.minimum(u["AU24"], 1))
        gap = part + p.jaw * self.unit("AU26") * 0.42 + 0.07 * u["AU10"]
        raise_ = 0.095 * u["AU10"] + 0.05 * u["AU9"] + 0.06 * u["AU12"] * u["AU25"]
        inner_top = middle - (0.25 * part + raise_ * np.minimum(1, gap * 10 + 0.5)) * bow
        inner_low = middle + (0.85 * gap + 0.06 * u["AU20"] * np.minimum(1, gap * 8)) * bow**0.8
        press = 1 - 0.6 * u["AU23"] - 0.65 * u["AU24"] - 0.22 * u["AU12"] - 0.35 * u["AU20"]
        press = np.clip(press, 0.12, 1)
        cupid = bow**0.7 * (1 - 0.22 * np.exp(-((t / 0.13) ** 2)))
        outer_top = inner_top - (p.lip_upper * press * (1 + 0.15 * u["AU10"])) * cupid
        outer_low = (
            inner_low + p.lip_lower * np.clip(press + 0.25 * u["AU17"], 0.12, 1.2) * bow**0.75
        )
        # The lip hides the upper teeth unless something draws it up or sideways.
        bared = np.maximum.reduce([u["AU9"], u["AU10"], u["AU12"], 0.6 * u["AU20"]])
        teeth_low = np.minimum(inner_top + (0.035 + 0.09 * bared) * bow**0.5, inner_low)
        tongue = np.maximum(inner_low - 0.11 * bow, np.minimum(teeth_low + 0.03, inner_low))
        both = np.concatenate([x, x[:, ::-1]], 1)

        def band(top: Array, low: Array) -> tuple[Array, Array, float]:
            return both, np.concatenate([top, low[:, ::-1]], 1), 0.05

        chin = p.chin - 0.22 + self.drop - 0.03 * u["AU17"]
        dimple = (
            row(-0.16, -0.08, 0.0, 0.08, 0.16),
            chin + row(0.05, 0.0, -0.015, 0.0, 0.05),
            0.06,
        )
        return {
            "lip_top": band(outer_top, inner_top),
            "lip_low": band(inner_low, outer_low),
            "cavity": band(inner_top, inner_low),
            "teeth": band(inner_top, teeth_low),
            "tongue": band(tongue, inner_low),
            "lip_line": (x, np.where(gap > 0.02, inner_top, middle), 0.05),
            "lip_shadow": (x[:, 4:-4] * 0.9, outer_low[:, 4:-4] + 0.05, 0.05),
            "moustache_base": band(outer_top - 0.13 * (1 - 0.3 * t**2), outer_top - 0.012),
            "dimple": dimple,
        }

    def _forehead(self) -> dict[str, tuple[Array, Array, float]]:
        p = self.person
        au1, au2, au4 = self.unit("AU1"), self.unit("AU2"), self.unit("AU4")
        parts: dict[str, tuple[Array, Array, float]] = {}
        for number, y in enumerate((-0.56, -0.67, -0.78)):
            x = row(-0.62, -0.45, -0.28, -0.12, 0.0, 0.12, 0.28, 0.45, 0.62)
            wave = 0.03 * np.sin(np.abs(x) * 6 + number)
            rise = 0.05 * np.maximum(au1 * np.exp(-((x / 0.3) ** 2)), au2 * (np.abs(x) > 0.25))
            parts[f"wrinkle{number}"] = (x + 0 * au1, y + wave - rise, 0.02)
        for side, sign in SIDES.items():
            x = sign * (0.075 - 0.015 * au4) + sign * row(0.015, 0.0, 0.005)
            parts[f"glabella_{side}"] = (
                x,
                -p.brow_height + row(-0.16, -0.02, 0.11) + 0.06 * au4,
                0.05,
            )
        return parts
