"""Face detection in single frames: one interface for all detectors (paper Section III-E).

A detector is named by `--detector`; its name and version travel in the manifest of
a prepared data set, because a network reads faces well only in the boxes of the
detector that it was trained on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kaffect.config import preparation as config
from kaffect.errors import ConfigError, expected_received

DETECTORS = tuple(name for name in config.DETECTORS if name != config.NO_DETECTOR)


@dataclass(frozen=True)
class Detection:
    """A face in one frame.

    Attributes:
        box: (left, top, right, bottom) in pixels, brow or hair line to chin and cheek to
            cheek; it may reach over the border of the frame.
        score: 0 to 1, larger is surer; comparable within one detector only.
        landmarks: [5, 2] (x, y) in pixels, or None: the eye on the left side of the
            picture, the other eye, nose tip, the two corners of the mouth, left first.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray | None = None


class FaceDetector(ABC):
    """Finds faces in single frames, independently of earlier frames.

    Attributes:
        name: as in `--detector`.
        sure: a detection of at least this score needs no confirmation.
        has_landmarks: whether detections have landmarks (5-point alignment needs them).
        batch: frames that are best given at a time.
    """

    name: str
    sure: float = 1.0
    has_landmarks: bool = False
    batch: int = 1

    @abstractmethod
    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        """The faces of each frame, the surest first.

        Args:
            frames: [height, width, 3] uint8 RGB each; sizes may differ.

        Raises:
            ConfigError: a frame of another shape or type.
        """

    def detect_near(
        self, frame: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """Search more closely for one face that `detect` did not find in this frame.

        None by default; a detector of upright faces may turn that part of the frame.

        Args:
            frame: [height, width, 3] uint8 RGB.
            box: (left, top, right, bottom) in pixels, near which the face should be.
        """
        return None

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Name, version and every setting that decides the boxes; for manifests (JSON)."""


def create_detector(name: str = "mtcnn", model: str | Path | None = None) -> FaceDetector:
    """A detector by name.

    Args:
        name: 'mtcnn' (three networks, with landmarks; sees tilted and half-hidden faces),
            'haar' (OpenCV's cascade; upright, frontal faces; no TensorFlow) or
            'mediapipe' (`pip install kaffect[mediapipe]`).
        model: the model file, which 'mediapipe' needs and the others must not be given.

    Raises:
        ConfigError: unknown name, a package that is not installed, a model file that is
            missing or not wanted.
    """
    if name not in DETECTORS:
        raise ConfigError(expected_received("Unknown face detector", DETECTORS, name))
    if name == "mediapipe":
        from kaffect.faces.mediapipe import MediaPipeDetector

        return MediaPipeDetector(model)
    if model is not None:
        raise ConfigError(
            f"the detector {name!r} brings its own weights. Expected a model file only with "
            f"'mediapipe'. Received: {str(model)!r}"
        )
    if name == "mtcnn":
        from kaffect.faces.mtcnn import MtcnnDetector

        return MtcnnDetector()
    from kaffect.faces.haar import HaarDetector

    return HaarDetector()


def in_words(described: Mapping[str, Any]) -> str:
    """A detector as `FaceDetector.describe` has it: "mtcnn (mtcnn 1.0.0)"."""
    return f"{described['name']} ({described['version']})"


def other_detector(trained: Mapping[str, Any] | None, used: Mapping[str, Any] | None) -> str:
    """What to say where a network reads the faces of another detector, in one line; else "".

    Args:
        trained: the detector of the faces that the network was trained on, as
            `FaceDetector.describe` has it; used: of those that it reads. None: not known.
    """
    if trained is None or used is None:
        return ""
    if all(used.get(key) == trained.get(key) for key in ("name", "model_sha256")):
        return ""
    which = used["name"] + (" with another model file" if used["name"] == trained["name"] else "")
    return (
        f"faces are found by {which}, but this network was trained on faces found by "
        f"{in_words(trained)}: it may read these less well"
    )


def check_frame(frame: np.ndarray) -> np.ndarray:
    """Give the frame back unchanged.

    Args:
        frame: [height, width, 3] uint8 RGB.

    Raises:
        ConfigError: another shape or type.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
        raise ConfigError(
            "A frame must be a picture [height, width, 3] of uint8. Received: "
            f"{list(frame.shape)} of {frame.dtype}"
        )
    return frame


def shrink(frame: np.ndarray, longest_side: int) -> tuple[np.ndarray, float]:
    """Shrink a picture to at most `longest_side` pixels.

    Args:
        frame: [height, width] or [height, width, 3] uint8.

    Returns:
        The picture, and the factor on its sides: 1 or less.
    """
    height, width = frame.shape[:2]
    factor = longest_side / max(height, width)
    if factor >= 1:
        return frame, 1.0
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA), factor


def overlap(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    """Intersection over union, 0 to 1.

    Args:
        first, second: [4] (left, top, right, bottom) in pixels, right > left and bottom > top.
    """
    both = _shared(first, second)
    return both / (_area(first) + _area(second) - both) if both else 0.0


def covered(box: Sequence[float] | np.ndarray, other: Sequence[float] | np.ndarray) -> float:
    """The share of `box` that lies in `other`, 0 to 1.

    Args:
        box, other: [4] (left, top, right, bottom) in pixels, right > left and bottom > top.
    """
    return _shared(box, other) / _area(box)


def _shared(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return float(width * height) if width > 0 and height > 0 else 0.0


def _area(box: Sequence[float] | np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
