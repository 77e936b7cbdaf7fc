"""The readings of a frame stand in the order of its boxes."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.faces.reading import read_faces_of

from .heads import head


def test_two_faces_of_one_frame() -> None:
    (left, box), (right, other) = head(0, (30, 0, 0)), head(1, (-30, 0, 0))
    frame = np.concatenate([left, right], axis=1)
    moved = other + [left.shape[1], 0, left.shape[1], 0]
    both = read_faces_of(frame, [box, moved])
    assert both[0].yaw > 15 and both[1].yaw < -15
    (alone,) = read_faces_of(frame, [moved])
    assert alone == pytest.approx(both[1], abs=1e-3)
    assert read_faces_of(frame, []) == ()
