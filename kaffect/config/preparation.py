"""How a data tree is prepared for a run, as settings of every study (paper Section III)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from annotated_types import Ge
from pydantic.dataclasses import dataclass

from kaffect.config.base import STRICT, Settings
from kaffect.errors import ConfigError

Detector = Literal["mtcnn", "haar", "mediapipe", "none"]
Alignment = Literal["none", "5-point"]
DETECTORS: tuple[str, ...] = get_args(Detector)
ALIGNMENTS: tuple[str, ...] = get_args(Alignment)
DEFAULT_DETECTOR, NO_DETECTOR = DETECTORS[0], DETECTORS[-1]


@dataclass(frozen=True, config=STRICT)
class Preparation(Settings):
    """Which faces are cut out of the videos, and how.

    Attributes:
        detector: finds the faces of tracks without box file; 'none': the centre of the frame.
        detector_model: path of the model file of 'mediapipe'.
        align: 'none': the face box as it is, as in the paper; '5-point': turned and scaled by
            eyes, nose and mouth.
        length_tolerance: frames by which a video and its annotation may differ; None: the larger
            of 3 and 0.5 %.
    """

    PART: ClassVar[str] = "prepare"

    detector: Detector = "mtcnn"
    detector_model: str | None = None
    align: Alignment = "none"
    length_tolerance: Annotated[int | None, Ge(0)] = None

    def check(self) -> None:
        require_landmarks(self.align, self.detector)


def require_landmarks(align: str, detector: str | None) -> None:
    """Reject alignment with a detector that gives no landmarks.

    Raises:
        ConfigError: says which detector does.
    """
    if align == "5-point" and detector != "mtcnn":
        raise ConfigError(
            "5-point alignment needs the landmarks of a face. Expected the detector 'mtcnn'. "
            f"Received: {detector or NO_DETECTOR!r}"
        )
