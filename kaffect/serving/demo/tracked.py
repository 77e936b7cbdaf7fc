"""The demo's reader of real frames: detect, track, crop as in training, one state for each person.

Serves the person at the page; the parts are those of `kaffect predict`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kaffect.errors import ConfigError, VideoError
from kaffect.faces import FaceDetector, FaceTracker, TrackedFace
from kaffect.serving.demo.reading import DemoModel, FaceReading
from kaffect.serving.facts import SYNTHETIC
from kaffect.serving.loading import Export
from kaffect.serving.own_detector import detector_of
from kaffect.serving.predict.smoothing import Smoother
from kaffect.serving.predictor import MAX_GAP, Predictor, Stream

# Beyond so many people in one frame the largest faces are read.
MOST_FACES = 4
# A person who is away for longer is forgotten, so that a session does not grow.
FORGET_SECONDS = 10.0


class TrackedReader:
    """Reads the frames of one session.

    Args:
        predictor: the exported network.
        detector: finds the faces; frames between its looks are followed.
        smooth: time constant of `Smoother` in seconds; 0: none.
    """

    def __init__(self, predictor: Predictor, detector: FaceDetector, smooth: float = 0.0) -> None:
        self._predictor = predictor
        self._smoother = Smoother(smooth, MAX_GAP)
        self._tracker = FaceTracker(detector)
        self._streams: dict[int, tuple[Stream, float]] = {}
        # The side of the network's own pictures decides.
        self._rule = replace(predictor.facts.crop_rule, image_size=predictor.export.picture_size)
        self._columns = predictor.export.manifest["columns"]

    def read(self, frame: np.ndarray, seconds: float) -> list[FaceReading]:
        """The faces of the next frame, [height, width, 3] uint8 RGB."""
        faces = [face for face in self._tracker.update(frame) if face.confirmed]
        faces = sorted(faces, key=_area, reverse=True)[:MOST_FACES]
        readings = [self._read(face, frame, seconds) for face in faces]
        self._streams = {
            person: (stream, last)
            for person, (stream, last) in self._streams.items()
            if abs(seconds - last) <= FORGET_SECONDS
        }
        return sorted((r for r in readings if r is not None), key=lambda r: r.person)

    def _read(self, face: TrackedFace, frame: np.ndarray, seconds: float) -> FaceReading | None:
        try:
            crop = self._rule.apply(frame, np.asarray(face.box), face.landmarks)
        except VideoError:  # the followed box has left the frame
            return None
        stream = self._streams.get(face.person, (None, 0.0))[0] or self._predictor.stream()
        self._streams[face.person] = (stream, seconds)
        outputs = self._smoother.outputs(face.person, seconds, stream.step(crop, seconds))
        return self._reading(face, outputs)

    def _reading(self, face: TrackedFace, outputs: dict[str, np.ndarray]) -> FaceReading:
        va = outputs.get("valence_arousal")
        probabilities = outputs.get("expression_probabilities", np.zeros(0))
        labels = self._columns["expression_probabilities"]
        units = outputs.get("action_unit_probabilities", np.zeros(0))
        return FaceReading(
            person=face.person + 1,
            box=face.box,
            score=face.score,
            valence=None if va is None else float(va[0]),
            arousal=None if va is None else float(va[1]),
            probabilities=[float(p) for p in probabilities],
            label=labels[int(np.argmax(probabilities))] if len(probabilities) else None,
            action_units=dict(zip(self._columns["action_unit_probabilities"], map(float, units))),
        )


def _area(face: TrackedFace) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def demo_model(
    export: Export,
    name: str,
    version: int,
    detector: str | None = None,
    detector_model: Path | None = None,
    smooth: float = 0.0,
) -> DemoModel:
    """An export as the demo shows it.

    Args:
        detector, detector_model: as of `detector_of`; None: the network's own.
        smooth: as of `TrackedReader`.

    Raises:
        ConfigError: it reads no faces, or the detector is not to be had.
    """
    predictor = Predictor(export)
    if not {"valence_arousal", "expression_probabilities"} & set(predictor.outputs):
        raise ConfigError(f"--demo: {name!r} says neither valence and arousal nor expressions")
    # A mistake is told now, not in the first session.
    detector_of(export.facts, detector, detector_model)
    Smoother(smooth, MAX_GAP)
    labels = export.manifest["columns"]["expression_probabilities"]
    synthetic = export.facts.data.get("kind") == "synthetic"
    return DemoModel(
        name,
        version,
        tuple(labels) if "expression_probabilities" in predictor.outputs else (),
        f"This model was {SYNTHETIC}." if synthetic else "",
        lambda: TrackedReader(
            predictor, detector_of(export.facts, detector, detector_model), smooth
        ),
    )
