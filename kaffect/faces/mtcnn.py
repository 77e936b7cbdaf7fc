"""The cascade of three networks, with five landmarks (paper Section III-E: faces in the wild).

K. Zhang et al.: Joint face detection and alignment using multitask cascaded
convolutional networks, arXiv 1604.02878; package mtcnn (TensorFlow, weights inside).
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from kaffect.errors import ConfigError
from kaffect.faces.detector import Detection, FaceDetector, check_frame, shrink

_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


class MtcnnDetector(FaceDetector):
    """mtcnn 1.x in batches.

    The package sizes its image pyramid as if faces of 20 pixels were wanted, whatever
    `min_face_size` says; with a larger one the last level is smaller than the network's
    window and no face at all is found. So that setting stays alone, and the frame is
    shrunk instead: the smallest face has 20 / longest_side of the frame's longer side.

    Args:
        longest_side: larger frames are shrunk to this many pixels first.
        batch: frames that go through the networks at a time.
        least_score: detections below are dropped.
    """

    name = "mtcnn"
    sure = 0.98
    has_landmarks = True

    def __init__(self, longest_side: int = 400, batch: int = 8, least_score: float = 0.8) -> None:
        self.longest_side, self.batch, self.least_score = longest_side, batch, least_score
        if importlib.util.find_spec("mtcnn") is None:
            raise ConfigError(
                "the detector 'mtcnn' needs the package mtcnn: pip install 'mtcnn>=1.0,<2'"
            )

    @functools.cached_property
    def _network(self) -> Any:
        # On first use: it loads TensorFlow, which a mere description does not need.
        from mtcnn import MTCNN

        return MTCNN()

    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        found: list[list[Detection]] = []
        for start in range(0, len(frames), self.batch):
            found += self._detect([check_frame(f) for f in frames[start : start + self.batch]])
        return found

    def _detect(self, frames: list[np.ndarray]) -> list[list[Detection]]:
        small, factors = zip(*(shrink(frame, self.longest_side) for frame in frames))
        answers = self._network.detect_faces(list(small), box_format="xyxy")
        answers = list(answers) + [[]] * (len(frames) - len(answers))
        return [
            [_detection(face, factor) for face in faces if face["confidence"] >= self.least_score]
            for faces, factor in zip(answers, factors)
        ]

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": f"mtcnn {importlib.metadata.version('mtcnn')}",
            "longest_side": self.longest_side,
            "batch": self.batch,
            "least_score": self.least_score,
        }


def _detection(face: dict[str, Any], factor: float) -> Detection:
    left, top, right, bottom = (float(edge) / factor for edge in face["box"])
    points = np.array([face["keypoints"][name] for name in _POINTS], np.float64) / factor
    # The package may name the sides as the person has them; here they are the picture's.
    if points[0, 0] > points[1, 0]:
        points = points[[1, 0, 2, 4, 3]]
    return Detection((left, top, right, bottom), float(face["confidence"]), points)
