"""Faces of videos: detectors and the tracker (paper Section III-E)."""

from kaffect.faces.detector import (
    DETECTORS,
    Detection,
    FaceDetector,
    create_detector,
    other_detector,
    overlap,
)
from kaffect.faces.people import TrackedFace
from kaffect.faces.tracker import FaceTracker, TrackerConfig, track_faces

__all__ = [
    "DETECTORS",
    "Detection",
    "FaceDetector",
    "FaceTracker",
    "TrackedFace",
    "TrackerConfig",
    "create_detector",
    "other_detector",
    "overlap",
    "track_faces",
]
