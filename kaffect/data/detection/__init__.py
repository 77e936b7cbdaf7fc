"""Faces of videos: detectors and the tracker (paper Section III-E)."""

from kaffect.data.detection.detector import (
    DETECTORS,
    Detection,
    FaceDetector,
    create_detector,
    overlap,
)
from kaffect.data.detection.people import TrackedFace
from kaffect.data.detection.tracker import FaceTracker, track_faces
from kaffect.data.detection.tracker_config import TrackerConfig

__all__ = [
    "DETECTORS",
    "Detection",
    "FaceDetector",
    "FaceTracker",
    "TrackedFace",
    "TrackerConfig",
    "create_detector",
    "overlap",
    "track_faces",
]
