"""Outlines of hair, ears, glasses and beard (serves the renderer of synthetic Aff-Wild)."""

from __future__ import annotations

import numpy as np

from kaffect.synthetic.curves import Curves, spline
from kaffect.synthetic.people import Person


def _closed(points: list[tuple[float, float, float]], count: int = 40) -> np.ndarray:
    array = np.array(points)
    return (spline(len(array), count, True) @ array)[None]


def _mirrored(half: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """A closed outline from its right half, listed from top to bottom."""
    return half + [(-x, y, z) for x, y, z in reversed(half) if abs(x) > 1e-9]


def _cap(p: Person, rng: np.random.Generator) -> np.ndarray:
    """The hair that lies on the head: from the outer outline back along the hairline."""
    w, v = p.face_width, p.hair_volume
    top = -1.5 - 0.22 * v
    side = {"short": -0.2, "parted": 0.0, "medium": 0.55, "long": 0.9}[p.hair_style]
    line = -0.7 if p.fringe else p.hairline
    reach = 0.06 * v + (0.10 if p.hair_style in ("medium", "long") else 0.0)
    outer = [
        (0.0, top, -0.1), (0.55 * w, top + 0.10, -0.1), (0.95 * w, -1.2, -0.1),
        ((1.04 + reach) * w, -0.65, -0.1), ((1.03 + reach) * w, side, -0.1),
    ]  # fmt: skip
    inner = [(0.97 * w, side, 0.05), (0.95 * w, -0.35, 0.15), (0.80 * w, line + 0.25, 0.35)]
    part = float(rng.uniform(-0.4, 0.4)) if p.hair_style in ("parted", "medium", "long") else 0.0
    middle = [
        (0.42 * w, line + 0.03, 0.55),
        (part, line - 0.07, 0.62),
        (-0.42 * w, line + 0.03, 0.55),
    ]
    if p.fringe:
        middle = [
            (0.5 * w, line - 0.02, 0.6),
            (0.15, line + 0.06, 0.68),
            (-0.2, line, 0.66),
            (-0.5, line + 0.05, 0.6),
        ]
    left = [(-x, y, z) for x, y, z in reversed(inner)]
    left_outer = [(-x, y, z) for x, y, z in reversed(outer[1:])]
    return _closed([*outer, *inner, *middle, *left, *left_outer], 72)


def _strands(p: Person, rng: np.random.Generator, count: int = 18) -> np.ndarray:
    """Lines of lighter and darker hair over the cap, [count, 4, 3]."""
    w, line = p.face_width, -0.74 if p.fringe else p.hairline - 0.08
    begin = rng.uniform(-0.35, 0.35, count)
    end = np.sort(rng.uniform(-0.95, 0.95, count)) * w
    drop = np.abs(end) ** 2
    t = np.linspace(0, 1, 4)[None]
    x = begin[:, None] * (1 - t) + end[:, None] * np.sqrt(t)
    y0, y1 = -1.5 - 0.14 * p.hair_volume + 0.2 * begin**2, line - 0.03 + 0.42 * drop
    y = y0[:, None] + (y1 - y0)[:, None] * t**1.3
    z = 0.0 + 0.4 * t * (1 - 0.6 * np.abs(end[:, None]))
    return np.stack([x, y, z + 0 * x], axis=-1)


def static_curves(p: Person, rng: np.random.Generator) -> Curves:
    """Outlines that Action Units do not bend, [1, points, 3] each, in face units."""
    w = p.face_width
    result: Curves = {}
    for side, s in (("l", -1.0), ("r", 1.0)):
        ear = [
            (1.0, -0.15, -0.1),
            (1.14, -0.18, -0.18),
            (1.17, 0.1, -0.2),
            (1.08, 0.42, -0.1),
            (0.98, 0.4, 0.0),
        ]
        result[f"ear_{side}"] = _closed([(x * w * s, y, z) for x, y, z in ear], 18)
        result[f"ear_in_{side}"] = _closed(
            [(s * w * (0.55 * x + 0.49), 0.6 * y + 0.05, z) for x, y, z in ear], 12
        )
        rim = [
            (p.eye_spacing + 0.36 * np.sign(np.cos(a)) * abs(np.cos(a)) ** 0.6,
             0.03 + 0.27 * np.sign(np.sin(a)) * abs(np.sin(a)) ** 0.7, 1.0)
            for a in np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ]  # fmt: skip
        result[f"rim_{side}"] = _closed([(x * s, y, z) for x, y, z in rim], 26)
        result[f"temple_{side}"] = np.array([[(0.83 * s, -0.05, 0.95), (1.04 * w * s, -0.08, 0.0)]])
    result["nose_bridge"] = np.array(
        [[(-0.11, -0.03, 1.1), (0.0, -0.07, 1.16), (0.11, -0.03, 1.1)]]
    )
    result["tip"] = _closed(
        [
            (0.09 * np.cos(a), p.nose_length - 0.1 + 0.07 * np.sin(a), 1.25)
            for a in np.arange(0, 6.2, 0.8)
        ],
        12,
    )
    if p.hair_style != "bald":
        result["cap"] = _cap(p, rng)
        result["strands"] = _strands(p, rng).reshape(1, -1, 3)
    length = {"long": float(rng.uniform(1.7, 2.5)), "medium": float(rng.uniform(0.9, 1.4))}.get(
        p.hair_style
    )
    if length is not None:
        v = p.hair_volume
        wide = (1.16 + 0.12 * v) * w
        half = [(0.0, -1.5 - 0.24 * v, -0.4), (0.95 * w, -1.2, -0.4), (wide, -0.4, -0.4),
                (wide, 0.6, -0.4), (wide * 0.98, length - 0.15, -0.4),
                (0.5, length, -0.4)]  # fmt: skip
        result["back_hair"] = _closed(_mirrored(half), 60)
    return result


def beard_outline(p: Person, face: np.ndarray) -> np.ndarray:
    """The area of a beard, [frames, points, 3]: the jaw's outline closed above the upper lip.

    Args:
        face: the outline of the face, [frames, 60, 3], clockwise from the forehead.
    """
    if p.beard == "goatee":
        a = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        x = (p.mouth_width + 0.06) * np.cos(a)
        y = (
            np.where(np.sin(a) > 0, np.sin(a) * (p.chin - p.mouth_y + 0.02), np.sin(a) * 0.2)
            + p.mouth_y
            + 0.02
        )
        follow = face[:, 30:31, 1] - p.chin
        y = y[None] + follow * np.clip((y[None] - p.mouth_y) / 0.4, 0, 1)
        x = np.broadcast_to(x[None], y.shape)
        return np.stack([x, y, 0.85 - 0.4 * np.abs(x)], axis=-1)
    jaw = face[:, 15:46]
    t = np.linspace(-1, 1, 15)
    top_x = t * 0.86 * p.face_width
    top_y = p.mouth_y - 0.17 - 0.42 * np.clip(np.abs(t) - 0.45, 0, 1) * 1.4
    top = np.stack([top_x, top_y, 0.8 - 0.75 * t**2], axis=-1)
    return np.concatenate([jaw, np.broadcast_to(top[None], (len(jaw), *top.shape))], axis=1)
