"""A still of one person with chosen Action Units (serves contact sheets and single pictures)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.canvas import Image, fixed
from kaffect.synthetic.curves import project
from kaffect.synthetic.folds import FOLDS
from kaffect.synthetic.geometry import FaceShape, State
from kaffect.synthetic.hair import beard_outline, static_curves
from kaffect.synthetic.paint import FacePainter, Look
from kaffect.synthetic.people import Person
from kaffect.synthetic.prototypes import UNIT_COLUMN
from kaffect.synthetic.relief import Lamp, map_points
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
    intensities = np.zeros(len(UNIT_COLUMN))
    for name, value in units.items():
        intensities[UNIT_COLUMN[name]] = value
    frame: Image = np.full((height, width, 3), (126, 140, 150), np.uint8)
    sitting = Sitting(np.array(pose), np.array([width / 2, height * 0.47]), height / 3.5)
    draw_person(frame, person, intensities, sitting, Lamp(light, 0.5), rng=np.random.default_rng(0))
    return frame


@dataclass(frozen=True)
class Sitting:
    """Where a face is in a picture.

    Attributes:
        pose: [3] yaw, pitch, roll in radians.
        centre: [2] pixels (x, y) of the point between the eyes.
        scale: pixels for one face unit.
        lids: opening of the eyes, 1 = relaxed.
        gaze: (x, y) of the irises in -1..1.
    """

    pose: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: float
    lids: float = 1.0
    gaze: tuple[float, float] = (0.0, 0.0)


def draw_person(
    frame: Image,
    person: Person,
    units: NDArray[np.float64],
    sitting: Sitting,
    lamp: Lamp,
    rng: np.random.Generator,
) -> None:
    """Draw head, neck and shoulders into `frame` [height, width, 3] uint8 RGB.

    Args:
        units: [16] intensities, columns as `DRAWN_UNITS`.
        rng: of hair, clothes and skin.
    """
    state = State(units[None], np.array([sitting.lids]), np.array([sitting.gaze]))
    shape = FaceShape(person, state)
    curves = shape.curves()
    folds = {name: map_points(curves[name][0]) for name in FOLDS}
    curves.update(static_curves(person, rng))
    if person.beard != "none":
        curves["beard"] = beard_outline(person, curves["face"])
    place = (sitting.pose[None], sitting.centre[None], np.array([sitting.scale]))
    # All curves in one call, which costs as much as one curve.
    pixels = project(np.concatenate([*curves.values(), _AXES], axis=1), *place)[0]
    ends = np.cumsum([v.shape[1] for v in curves.values()])
    *parts, axes = np.split(pixels, ends)
    drawn = dict(zip(curves, map(fixed, parts)))
    affine = np.stack([2 * (axes[1] - axes[0]), 2 * (axes[2] - axes[0]), axes[0]], axis=1)
    painter = FacePainter(person, lamp, rng)
    painter.behind(frame, drawn)
    Torso(person, rng).draw(frame, sitting.centre, sitting.scale)
    drop = float(shape.drop[0, 0])
    painter.face(frame, Look(drawn, folds, units, drop, sitting.pose, affine, sitting.scale))
