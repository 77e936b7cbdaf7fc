"""Head pose against rendered truth: small errors, and the signs that the documentation gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from kaffect.faces.face_features import FEATURES
from kaffect.faces.pose import ANGLES, head_pose
from kaffect.faces.reading import FaceReading, read_faces_of

from .heads import head, on_face, points_of

PEOPLE = 6


def reading_of(seed: int, degrees: Sequence[float]) -> FaceReading:
    image, box = head(seed, degrees)
    (found,) = read_faces_of(image, [box])
    return found


@pytest.mark.parametrize(
    ("angle", "degrees", "most"), [("yaw", 35, 5.0), ("pitch", 20, 5.0), ("roll", 25, 3.0)]
)
def test_a_turned_head(angle: str, degrees: float, most: float) -> None:
    """The mean over a few people; scripts/measure_head.py measures many."""
    place, found = ANGLES.index(angle), []
    for sign in (-1, 1):
        pose = np.zeros(3)
        pose[place] = sign * degrees
        read = [reading_of(seed, pose) for seed in range(PEOPLE)]
        assert all(np.sign(reading[place]) == sign for reading in read)
        found.append([reading[place] - sign * degrees for reading in read])
    assert np.abs(found).mean() <= most


def test_signs_mean_what_the_picture_shows() -> None:
    """Where the renderer put nose and eyes decides, not the sign of its angle."""
    tip, eyes = [on_face(0, 0.55, 0.35)], [on_face(-0.42, 0), on_face(0.42, 0)]
    straight, right, up = (points_of(tip, pose)[0] for pose in ((0, 0, 0), (30, 0, 0), (0, 20, 0)))
    assert right[0] > straight[0] + 5 and reading_of(1, (30, 0, 0)).yaw > 15
    assert up[1] < straight[1] - 5 and reading_of(1, (0, 20, 0)).pitch > 8
    left_eye, right_eye = points_of(eyes, (0, 0, 25))
    assert right_eye[1] > left_eye[1] + 5  # the eye on the right side of the picture is lower
    assert reading_of(1, (0, 0, 25)).roll > 15


def test_angles_have_an_end() -> None:
    huge = head_pose(np.full((2, FEATURES), 1e6))
    assert np.isfinite(huge).all() and (np.abs(huge) <= [60, 40, 45]).all()
    assert head_pose(np.zeros((0, FEATURES))).shape == (0, 3)
