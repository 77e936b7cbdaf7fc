"""Head pose from the features of MTCNN's last network.

Serves `kaffect predict`. Three linear functions of the features give yaw, pitch and roll;
`scripts/measure_head.py --fit` fits them to rendered faces, whose pose is known exactly, and
measures them on others.
"""

from __future__ import annotations

import numpy as np

from kaffect.faces.face_features import linear_reading

ANGLES = ("yaw", "pitch", "roll")
# Degrees; the fit saw 45, 25 and 30. Further out an angle says only "at least this far".
_MOST = np.array([60.0, 40.0, 45.0])


def head_pose(features: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll of faces in degrees.

    Yaw is above 0 where the face is turned to the right side of the picture, pitch where it looks
    up, roll where the head leans clockwise (its top to the right side of the picture).

    Args:
        features: [n, FEATURES], as `face_features` gives them.

    Returns:
        [n, 3] float64, columns as `ANGLES`.
    """
    return np.clip(linear_reading("pose", features), -_MOST, _MOST)
