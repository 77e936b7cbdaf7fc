"""Rendered heads at known poses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kaffect.synthetic.curves import project, surface
from kaffect.synthetic.people import sample_person
from kaffect.synthetic.portrait import portrait

SIDE = 160


def head(seed: int, degrees: Sequence[float] = (0, 0, 0)) -> tuple[np.ndarray, np.ndarray]:
    """A picture [160, 160, 3] uint8 RGB of one person and the box [4] of the face in pixels."""
    person = sample_person(np.random.default_rng(seed), ("male", "female")[seed % 2])
    pose = np.deg2rad(degrees)
    image = portrait(person, {}, pose=(pose[0], pose[1], pose[2]), size=(SIDE, SIDE))
    (middle,) = points_of([(0.0, 0.43, 0.35)], degrees)
    half = 1.2 * SIDE / 3.5
    return image, np.concatenate([middle - half, middle + half])


def points_of(points: Sequence[tuple[float, float, float]], degrees: Sequence[float]) -> np.ndarray:
    """Where points in face units are in a picture of `head`: [n, 2] pixels."""
    place = np.array([[SIDE / 2, SIDE * 0.47]]), np.array([SIDE / 3.5])
    return project(np.array([points]), np.deg2rad([degrees]), *place)[0]


def on_face(x: float, y: float, lift: float = 0.0) -> tuple[float, float, float]:
    """A point on the surface of the face, in face units."""
    return x, y, float(surface(np.array(x), np.array(y))) + lift
