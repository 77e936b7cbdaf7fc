"""The settings that decide the bytes of prepared data, besides the tree (paper Section III)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kaffect.config.preparation import DETECTORS, NO_DETECTOR, require_landmarks
from kaffect.data.prepared.examples import ENCODINGS
from kaffect.data.tree import DataTree
from kaffect.errors import ConfigError, expected_received
from kaffect.faces import TrackerConfig, create_detector
from kaffect.faces.crops import CropRule

# Raised with every change of what prepared folders look like.
SCHEMA_VERSION = 1
# Raised with every change of the rules in `track_people`.
PEOPLE_RULE = 2


@dataclass(frozen=True)
class PrepareSettings:
    """Everything besides the tree that decides the bytes of a prepared data set.

    Attributes:
        rule: how faces are cut out.
        fps: frames a second of the sequences (30, Section III-A).
        encoding: of the pictures: 'jpeg' (quality 95), 'png' or 'raw'.
        shard_frames: records in each shard but the last.
        length_tolerance: frames by which a video and its annotation may differ; None: the
            larger of 3 and 0.5 % of the annotation.
        detector: finds the faces of tracks without box file; None: they get the centre
            square of the frame.
        detector_model: the model file of 'mediapipe'.
        tracker: keeps people apart between detections.
        reencode: whether the constant-rate videos are stored as MP4, too.
    """

    rule: CropRule = field(default_factory=CropRule)
    fps: int = 30
    encoding: str = "jpeg"
    shard_frames: int = 16384
    length_tolerance: int | None = None
    detector: str | None = None
    detector_model: Path | None = None
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    reencode: bool = False

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ConfigError(expected_received("Unknown image encoding", ENCODINGS, self.encoding))
        if self.fps < 1 or self.shard_frames < 1 or (self.length_tolerance or 0) < 0:
            raise ConfigError("fps and shard_frames must be 1 or more, length_tolerance 0 or more")
        if self.detector == NO_DETECTOR:
            object.__setattr__(self, "detector", None)
        if self.detector is not None and self.detector not in DETECTORS:
            raise ConfigError(expected_received("Unknown face detector", DETECTORS, self.detector))
        require_landmarks(self.rule.mode, self.detector)

    def for_tree(self, tree: DataTree) -> PrepareSettings:
        """The same settings, without a detector where every track has boxes or face pictures."""
        if self.rule.mode == "5-point" or any(
            track.boxes is None and not track.video.is_dir() for track in tree.tracks
        ):
            return self
        return replace(self, detector=None, detector_model=None)

    def to_dict(self) -> dict[str, Any]:
        """For manifests: JSON, and no path of this machine.

        Raises:
            ConfigError: the detector's package or model file is missing.
        """
        detector = None
        if self.detector is not None:
            described = create_detector(self.detector, self.detector_model).describe()
            detector = {**described, "tracker": self.tracker.to_dict(), "people": PEOPLE_RULE}
        return {
            "schema_version": SCHEMA_VERSION,
            "crop_rule": self.rule.to_dict(),
            "fps": self.fps,
            "encoding": self.encoding,
            "shard_frames": self.shard_frames,
            "length_tolerance": self.length_tolerance,
            "detector": detector,
            "reencode": self.reencode,
        }
