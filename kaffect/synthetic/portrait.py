"""A still of one person with chosen Action Units (serves contact sheets and readers)."""

from __future__ import annotations

import numpy as np

from kaffect.synthetic.canvas import Image, fixed
from kaffect.synthetic.curves import project
from kaffect.synthetic.geometry import FaceShape, State
from kaffect.synthetic.hair import beard_outline, static_curves
from kaffect.synthetic.paint import FacePainter
from kaffect.synthetic.people import Person
from kaffect.synthetic.prototypes import UNIT_COLUMN
from kaffect.synthetic.scene import Torso

_AXES = np.array([[[0.0, 0.0, 0.5], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]])


def portrait(
    person: Person,
    units: dict[str, float],
    *,
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0),
    size: tuple[int, int] = (160, 160),
    light: tuple[float, float] = (-0.3, -0.4),
) -> Image:
    """Draw `person` before a plain wall, in good light.

    Args:
        units: intensity in [0, 1] by name, such as {"AU12": 1.0}; the others are 0.
        pose: yaw, pitch, roll in radians.
        size: width and height in pixels.

    Returns:
        uint8 RGB [height, width, 3].
    """
    width, height = size
    intensities = np.zeros((1, len(UNIT_COLUMN)))
    for name, value in units.items():
        intensities[0, UNIT_COLUMN[name]] = value
    curves = FaceShape(person, State(intensities, np.ones(1), np.zeros((1, 2)))).curves()
    look = np.random.default_rng(0)
    curves.update(static_curves(person, look))
    if person.beard != "none":
        curves["beard"] = beard_outline(person, curves["face"])
    s = height / 3.5
    angles, centre = np.array([pose]), np.array([[width / 2, height * 0.47]])
    points = {k: project(v, angles, centre, np.array([s]))[0] for k, v in curves.items()}
    axes = project(_AXES, angles, centre, np.array([s]))[0]
    affine = np.stack([2 * (axes[1] - axes[0]), 2 * (axes[2] - axes[0]), axes[0]], axis=1)
    frame: Image = np.full((height, width, 3), (126, 140, 150), np.uint8)
    painter = FacePainter(person, light, 0.5)
    drawn = {k: fixed(v) for k, v in points.items()}
    painter.behind(frame, drawn)
    Torso(person, look).draw(frame, centre[0], s)
    painter.face(frame, drawn, intensities[0], affine, s)
    return frame
