"""OpenCV's Haar cascade as a face detector: fast, needs no TensorFlow (paper Section III-E).

P. Viola, M. Jones: Rapid object detection using a boosted cascade of simple
features, CVPR 2001. The cascade file is part of the package opencv-python (below
version 5, which dropped it). It finds upright, frontal faces; tilted ones are left
to the tracker.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kaffect.errors import ConfigError
from kaffect.faces.detector import Detection, FaceDetector, check_frame, shrink

CASCADE = "haarcascade_frontalface_default.xml"
# The cascade answers with a square that is wider than the face: these shares of its side
# lead to the box from brow to chin (medians over the boxes that scripts/measure_detectors.py
# checks).
_LEFT, _TOP, _RIGHT, _BOTTOM = 0.10, -0.02, 0.90, 1.03


# For `detect_near`: a face has this side in a view of that side.
_CLOSE_FACE, _CLOSE_SIDE, _CLOSE_LEAST = 60, 126, 6
_ANGLES = (0, -20, 20, -40, 40)


class HaarDetector(FaceDetector):
    """The frontal-face cascade on a grey copy of the frame.

    The score is n / (n + 10), where n is the number of windows that agree.

    Args:
        longest_side: larger frames are shrunk to this many pixels first.
        scale_step: ratio between neighbouring window sizes.
        neighbours: windows that must agree.
        smallest: side of the smallest window, as a share of the frame's shorter side.
    """

    name = "haar"
    sure = 0.8

    def __init__(
        self,
        longest_side: int = 480,
        scale_step: float = 1.1,
        neighbours: int = 4,
        smallest: float = 0.08,
    ) -> None:
        self.longest_side, self.scale_step = longest_side, scale_step
        self.neighbours, self.smallest = neighbours, smallest
        if not hasattr(cv2, "CascadeClassifier"):
            raise ConfigError(
                f"this OpenCV ({cv2.__version__}) has no cascade classifier. Expected "
                "opencv-python below version 5: pip install 'opencv-python<5'"
            )
        path = Path(cv2.__file__).parent / "data" / CASCADE
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise ConfigError(
                f"{path}: the cascade is not part of this OpenCV ({cv2.__version__}). Expected "
                "opencv-python below version 5: pip install 'opencv-python<5'"
            )

    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        return [self._detect(check_frame(frame)) for frame in frames]

    def _detect(self, frame: np.ndarray) -> list[Detection]:
        small, factor = shrink(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), self.longest_side)
        side = max(24, round(self.smallest * min(small.shape)))
        if min(small.shape) < side:
            return []
        squares, counts = self._cascade.detectMultiScale2(
            small, self.scale_step, self.neighbours, minSize=(side, side)
        )
        found = [
            Detection(
                (
                    (x + _LEFT * width) / factor,
                    (y + _TOP * height) / factor,
                    (x + _RIGHT * width) / factor,
                    (y + _BOTTOM * height) / factor,
                ),
                float(count / (count + 10)),
            )
            for (x, y, width, height), count in zip(np.asarray(squares).tolist(), counts)
        ]
        # OpenCV's threads give them in any order.
        return sorted(found, key=lambda d: (-d.score, d.box))

    def detect_near(
        self, frame: np.ndarray, box: tuple[float, float, float, float]
    ) -> Detection | None:
        """Search around `box` upright and turned by 20 and 40 degrees to both sides.

        The angle at which most windows agree wins; few that agree are chance. Arguments as in
        `FaceDetector.detect_near`.
        """
        left, top, right, bottom = box
        side = float(np.sqrt(max((right - left) * (bottom - top), 1.0)))
        middle = ((left + right) / 2, (top + bottom) / 2)
        grey = cv2.cvtColor(check_frame(frame), cv2.COLOR_RGB2GRAY)
        scale, half = _CLOSE_FACE / side, _CLOSE_SIDE / 2
        best: Detection | None = None
        for angle in _ANGLES:
            turn = cv2.getRotationMatrix2D(middle, angle, scale)
            turn = turn + np.array([[0, 0, half - middle[0]], [0, 0, half - middle[1]]])
            view = cv2.warpAffine(grey, turn, (_CLOSE_SIDE, _CLOSE_SIDE), flags=cv2.INTER_AREA)
            squares, counts = self._cascade.detectMultiScale2(
                view, self.scale_step, _CLOSE_LEAST,
                minSize=(_CLOSE_FACE,) * 2, maxSize=(_CLOSE_FACE * 8 // 5,) * 2,
            )  # fmt: skip
            if len(squares):
                count, square = max(zip(counts, np.asarray(squares).tolist()))
                found = _turned(count, square, cv2.invertAffineTransform(turn), scale)
                best = found if best is None or found.score > best.score else best
        return best

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": f"opencv-python {cv2.__version__}",
            "cascade": CASCADE,
            "longest_side": self.longest_side,
            "scale_step": self.scale_step,
            "neighbours": self.neighbours,
            "smallest": self.smallest,
        }


def _turned(count: int, square: list[int], back: np.ndarray, scale: float) -> Detection:
    """A square found in a turned view, as an upright box of the frame around the same centre."""
    x, y, side, _ = square
    middle = np.array([x + (_LEFT + _RIGHT) / 2 * side, y + (_TOP + _BOTTOM) / 2 * side, 1.0])
    across, down = back @ middle
    width, height = (_RIGHT - _LEFT) * side / scale, (_BOTTOM - _TOP) * side / scale
    return Detection(
        (
            float(across - width / 2),
            float(down - height / 2),
            float(across + width / 2),
            float(down + height / 2),
        ),
        float(count / (count + 10)),
    )
