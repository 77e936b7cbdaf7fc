"""MediaPipe's face detector with a model file of the user's (paper Section III-E).

V. Bazarevsky et al.: BlazeFace, arXiv 1907.05047. The package ships no weights;
a `.tflite` file with metadata (face_detection_short_range.tflite and its like) has
to be given.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.errors import ConfigError
from kaffect.faces.detector import Detection, FaceDetector, check_frame
from kaffect.files import sha256


class MediaPipeDetector(FaceDetector):
    """The detector of the package mediapipe; box and score, no mouth corners.

    Args:
        model: a `.tflite` or `.task` file of a MediaPipe face detector.
        least_score: detections below are dropped.
    """

    name = "mediapipe"
    sure = 0.8

    def __init__(self, model: str | Path | None, least_score: float = 0.5) -> None:
        if model is None or not Path(model).is_file():
            raise ConfigError(
                "the detector 'mediapipe' needs a model file, because its package has none. "
                "Expected a .tflite file of a MediaPipe face detector (--detector-model FILE). "
                f"Received: {str(model) if model is not None else 'no file'}"
            )
        self.model, self.least_score = Path(model), least_score
        try:
            import mediapipe
            from mediapipe.tasks import python as tasks
        except ImportError as error:
            raise ConfigError(
                "the detector 'mediapipe' needs the package mediapipe: "
                f"pip install 'kaffect[mediapipe]'. Received: {error}"
            ) from error
        self._image = mediapipe.Image
        self._format = mediapipe.ImageFormat.SRGB
        options = tasks.vision.FaceDetectorOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=self.model.read_bytes()),
            min_detection_confidence=least_score,
        )
        try:
            self._detector = tasks.vision.FaceDetector.create_from_options(options)
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"{model}: not a MediaPipe face detector: {reason}") from error

    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        return [self._detect(np.ascontiguousarray(check_frame(frame))) for frame in frames]

    def _detect(self, frame: np.ndarray) -> list[Detection]:
        answer = self._detector.detect(self._image(image_format=self._format, data=frame))
        found = []
        for face in answer.detections:
            box = face.bounding_box
            left, top = float(box.origin_x), float(box.origin_y)
            corners = (left, top, left + float(box.width), top + float(box.height))
            found.append(Detection(corners, float(face.categories[0].score)))
        return sorted(found, key=lambda d: (-d.score, d.box))

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": f"mediapipe {importlib.metadata.version('mediapipe')}",
            "model_sha256": sha256(self.model),
            "least_score": self.least_score,
        }
