"""Frames to readings: boxes of the tracker, crops of the model's rule, a state for each person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.faces import Detection, FaceDetector
from kaffect.serving.demo import tracked
from kaffect.serving.loading import Export, load_export
from kaffect.serving.predictor import Predictor

BOXES = ((20.0, 30.0, 80.0, 100.0), (130.0, 40.0, 200.0, 120.0))


class KnownFaces(FaceDetector):
    """Sees faces where it is told."""

    name = "known"

    def __init__(self, boxes: Sequence[tuple[float, float, float, float]]) -> None:
        self.boxes = list(boxes)

    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        return [[Detection(box, 1.0) for box in self.boxes] for _ in frames]

    def describe(self) -> dict[str, Any]:
        return {"name": self.name}


@pytest.fixture(scope="module")
def predictor(sequence_export: Export) -> Predictor:
    return Predictor(sequence_export)


def frames(count: int) -> np.ndarray:
    """A textured scene that stands still, with a little noise that changes what is read."""
    rng = np.random.default_rng(0)
    scene = np.repeat(np.repeat(rng.integers(40, 200, (18, 28, 3)), 8, 0), 8, 1)
    noise = rng.integers(-3, 4, (count, *scene.shape))
    return (scene + noise).astype(np.uint8)


def test_readings_are_smoothed_where_that_is_asked_for(predictor: Predictor) -> None:
    plain = tracked.TrackedReader(predictor, KnownFaces(BOXES[:1]))
    smooth = tracked.TrackedReader(predictor, KnownFaces(BOXES[:1]), smooth=0.2)
    raw = []
    for number, frame in enumerate(frames(4)):
        raw.append(plain.read(frame, number / 10)[0].valence)
        (found,) = smooth.read(frame, number / 10)
        weights = np.exp(-0.5 * np.arange(number, -1, -1))  # 0.1 seconds of 0.2
        assert found.valence == pytest.approx(np.average(raw, weights=weights), abs=1e-5)
    assert np.ptp(raw) > 1e-4
    with pytest.raises(ConfigError, match="--smooth"):
        tracked.demo_model(predictor.export, "narrow", 1, smooth=-1.0)


def test_each_person_is_a_stream_of_their_own_crops(predictor: Predictor) -> None:
    reader = tracked.TrackedReader(predictor, KnownFaces(BOXES))
    streams = [predictor.stream(), predictor.stream()]
    rule = predictor.facts.crop_rule
    for number, frame in enumerate(frames(6)):
        readings = reader.read(frame, number / 10)
        assert [reading.person for reading in readings] == [1, 2]
        for reading, stream in zip(readings, streams, strict=True):
            outputs = stream.step(rule.apply(frame, np.array(reading.box)), number / 10)
            found = (reading.valence, reading.arousal)
            np.testing.assert_allclose(found, outputs["valence_arousal"], atol=1e-6)
            np.testing.assert_allclose(
                reading.probabilities, outputs["expression_probabilities"], atol=1e-6
            )
            names = predictor.export.manifest["columns"]["expression_probabilities"]
            assert reading.label == names[int(np.argmax(reading.probabilities))]
    for reading, box in zip(readings, BOXES, strict=True):
        np.testing.assert_allclose(reading.box, box, atol=3)


def test_no_face_no_reading(predictor: Predictor) -> None:
    reader = tracked.TrackedReader(predictor, KnownFaces([]))
    assert [reader.read(frame, i / 10) for i, frame in enumerate(frames(3))] == [[], [], []]


def test_who_is_away_for_long_is_forgotten(predictor: Predictor) -> None:
    detector = KnownFaces(BOXES)
    reader = tracked.TrackedReader(predictor, detector)
    picture = frames(1)[0]
    assert len(reader.read(picture, 0.0)) == 2 and len(reader._streams) == 2
    detector.boxes = []
    dark = np.zeros_like(picture)
    for second in range(1, 16):  # a few of them the tracker still follows
        reader.read(dark, float(second))
    assert reader._streams == {}


def test_the_largest_faces_are_read(predictor: Predictor, monkeypatch: Any) -> None:
    monkeypatch.setattr(tracked, "MOST_FACES", 1)
    reader = tracked.TrackedReader(predictor, KnownFaces(BOXES))
    (reading,) = reader.read(frames(1)[0], 0.0)
    np.testing.assert_allclose(reading.box, BOXES[1], atol=3)


def test_a_model_of_single_pictures_with_action_units(frame_export: Path) -> None:
    export = load_export(frame_export)
    model = tracked.demo_model(export, "frames", 3)
    assert model.labels == export.facts.label_space.expressions and model.warning == ""
    reader = tracked.TrackedReader(Predictor(export), KnownFaces(BOXES[:1]))
    (reading,) = reader.read(frames(1)[0], 0.0)
    assert tuple(reading.action_units) == export.facts.label_space.action_units
    message = reading.to_message(224, 144)
    assert message["box"] == pytest.approx([20 / 224, 30 / 144, 80 / 224, 100 / 144], abs=0.02)


def test_an_unknown_detector_is_told_at_once(sequence_export: Export) -> None:
    with pytest.raises(ConfigError, match="detector"):
        tracked.demo_model(sequence_export, "narrow", 1, "eyes")
