"""Subjects of synthetic Aff-Wild (paper Sections II-B, II-C): how faces differ.

Lengths are in face units: half the width of an average face is 1, the eyes lie
at y = 0, the chin at y = 1.5; x points to the right of the image, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaffect.synthetic.prototypes import DRAWN_UNITS

Colour = tuple[float, float, float]

_SKINS: tuple[Colour, ...] = (
    (243, 208, 184), (236, 192, 164), (224, 176, 144), (209, 158, 122),
    (186, 134, 98), (156, 106, 76), (126, 84, 60), (98, 66, 48),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (28, 22, 20), (48, 34, 26), (82, 56, 38), (120, 84, 52),
    (178, 140, 88), (150, 78, 44), (128, 124, 122), (196, 192, 188),
)  # fmt: skip
_IRISES: tuple[Colour, ...] = (
    (62, 40, 26),
    (84, 58, 34),
    (70, 92, 66),
    (72, 104, 132),
    (96, 110, 120),
)


@dataclass(frozen=True)
class Person:
    """One subject: shape, colours and habits. See the module docstring for units."""

    gender: str
    age: float  # 0 young .. 1 old: lines
    skin: Colour
    hair: Colour
    iris: Colour
    lip: Colour
    face_width: float
    jaw_width: float
    chin: float
    chin_width: float
    eye_spacing: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    brow_thickness: float
    brow_height: float
    brow_arch: float
    brow_tilt: float
    brow_colour: Colour
    nose_width: float
    nose_length: float
    nose_height: float
    fullness: float  # 0 gaunt .. 1 full cheeks
    mouth_width: float
    mouth_y: float
    lip_upper: float
    lip_lower: float
    mouth_corner: float  # resting height of the lip corners; positive is down
    hair_style: str  # bald, short, parted, medium, long
    hair_volume: float
    hairline: float
    fringe: bool
    beard: str  # none, stubble, full, goatee
    moustache: bool
    glasses: str  # none, thin, thick
    glasses_colour: Colour
    expressiveness: float
    unit_gain: tuple[float, ...]  # one for each of DRAWN_UNITS
    asymmetry: float  # gain of the right half over the left
    jaw: float  # how far AU26 opens the mouth; 1 is an average person talking
    blotches: float  # how uneven the skin is
    eye_circles: float  # 0 none .. 1 dark
    gloss: float  # of the skin


def _mix(a: Colour, b: Colour, t: float) -> Colour:
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def _between(palette: tuple[Colour, ...], position: float) -> Colour:
    low = int(min(position, len(palette) - 1.001))
    return _mix(palette[low], palette[low + 1], position - low)


def _colours(rng: np.random.Generator, age: float, gender: str) -> dict[str, Colour]:
    skin = _between(_SKINS, float(rng.uniform(0, 7)))
    tint = rng.normal(0, 5, 3)
    skin = (skin[0] + tint[0], skin[1] + tint[1], skin[2] + tint[2])
    dark = sum(skin) < 400
    hair = _HAIRS[int(rng.integers(0, 3 if dark else 6))]
    if age > 0.6:
        hair = _mix(hair, _HAIRS[int(rng.integers(6, 8))], float(rng.uniform(0.3, 1.0)))
    red: Colour = (168, 62, 66) if gender == "female" else (172, 88, 84)
    strength = rng.uniform(0.45, 0.8) if gender == "female" else rng.uniform(0.35, 0.55)
    lip = _mix((skin[0] * 0.86, skin[1] * 0.74, skin[2] * 0.74), red, float(strength))
    if dark:
        lip = _mix(lip, (skin[0] * 0.75, skin[1] * 0.6, skin[2] * 0.62), 0.5)
    iris = _IRISES[int(rng.integers(0, 2 if dark else 5))]
    brow = _mix(hair, (40, 30, 26), float(rng.uniform(0.3, 0.7)))
    return {"skin": skin, "hair": hair, "lip": lip, "iris": iris, "brow_colour": brow}


def _facial_hair(rng: np.random.Generator, gender: str) -> tuple[str, bool]:
    if gender == "female":
        return "none", False
    beard = str(rng.choice(["none", "stubble", "full", "goatee"], p=[0.55, 0.2, 0.15, 0.10]))
    return beard, bool(beard in ("full", "goatee") or rng.random() < 0.12)


def _hair_style(rng: np.random.Generator, gender: str, age: float) -> str:
    if gender == "female":
        return str(rng.choice(["long", "medium", "parted", "short"], p=[0.45, 0.3, 0.15, 0.10]))
    bald = 0.06 + 0.2 * age
    rest = [0.55, 0.3, 0.15]
    return str(
        rng.choice(["bald", "short", "parted", "medium"], p=[bald, *[(1 - bald) * r for r in rest]])
    )


def sample_person(rng: np.random.Generator, gender: str) -> Person:
    """Draw a person; `gender` ("male" or "female") shifts shape, hair and beard."""
    male = gender == "male"
    age = float(rng.beta(1.3, 1.8))
    beard, moustache = _facial_hair(rng, gender)
    style = _hair_style(rng, gender, age)
    u = rng.uniform
    return Person(
        gender=gender,
        age=age,
        **_colours(rng, age, gender),
        face_width=float(u(0.92, 1.1)),
        jaw_width=float(u(0.76, 0.92) if male else u(0.68, 0.84)),
        chin=float(u(1.42, 1.6)),
        chin_width=float(u(0.24, 0.38) if male else u(0.18, 0.3)),
        eye_spacing=float(u(0.41, 0.5)),
        eye_width=float(u(0.22, 0.285)),
        eye_height=float(u(0.08, 0.125)),
        eye_tilt=float(u(-0.015, 0.045)),
        brow_thickness=float(u(0.05, 0.085) if male else u(0.032, 0.06)),
        brow_height=float(u(0.24, 0.33) if male else u(0.26, 0.36)),
        brow_arch=float(u(0.02, 0.08)),
        brow_tilt=float(u(0.0, 0.07)),
        nose_width=float(u(0.16, 0.235)),
        nose_length=float(u(0.60, 0.72)),
        nose_height=float(u(0.26, 0.42)),
        fullness=float(u(0.0, 1.0)),
        mouth_width=float(u(0.35, 0.46)),
        mouth_y=float(u(0.96, 1.04)),
        lip_upper=float(u(0.045, 0.10)),
        lip_lower=float(u(0.07, 0.13)),
        mouth_corner=float(np.clip(rng.normal(-0.015, 0.018), -0.05, 0.035)),
        hair_style=style,
        hair_volume=float(u(0.85, 1.2)),
        hairline=float(u(-1.02, -0.82) - 0.12 * age * male),
        fringe=bool(rng.random() < (0.12 if male else 0.25)),
        beard=beard,
        moustache=moustache,
        glasses=str(rng.choice(["none", "thin", "thick"], p=[0.76, 0.14, 0.10])),
        glasses_colour=(30, 28, 28) if rng.random() < 0.6 else (110, 84, 60),
        expressiveness=float(u(0.85, 1.12)),
        unit_gain=tuple(float(g) for g in u(0.88, 1.12, len(DRAWN_UNITS))),
        asymmetry=float(u(0.88, 1.12)),
        jaw=float(u(0.9, 1.2)),
        blotches=float(u(0.005, 0.02) + 0.025 * age**2),
        eye_circles=float(u(0.0, 1.0)),
        gloss=float(u(0.0, 0.45)),
    )
