"""Pose and quality of the faces of a frame, together: the columns of `kaffect predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kaffect.faces.face_features import face_features, face_patch
from kaffect.faces.pose import head_pose
from kaffect.faces.quality import blur, face_size, occlusion


class FaceReading(NamedTuple):
    """What is said of a face beside its expression; see `head_pose` and `kaffect.faces.quality`.

    Attributes:
        yaw, pitch, roll: degrees.
        face_size: pixels; blur, occlusion: 0 to 1.
    """

    yaw: float
    pitch: float
    roll: float
    face_size: float
    blur: float
    occlusion: float


def read_faces_of(frame: np.ndarray, boxes: Sequence[Sequence[float]]) -> tuple[FaceReading, ...]:
    """One reading for each box.

    Args:
        frame: [height, width, 3] uint8 RGB; boxes: (left, top, right, bottom) in pixels.
    """
    if not boxes:
        return ()
    edges = [np.asarray(box, np.float64) for box in boxes]
    features = face_features(np.stack([face_patch(frame, box) for box in edges]))
    poses, covers = head_pose(features).tolist(), occlusion(features).tolist()
    return tuple(
        FaceReading(yaw, pitch, roll, face_size(box), blur(frame, box), cover)
        for box, (yaw, pitch, roll), cover in zip(edges, poses, covers)
    )
