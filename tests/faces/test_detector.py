"""Each detector on the faces that this project draws, whose boxes are known (Section III-E)."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.faces import DETECTORS, FaceDetector, create_detector
from kaffect.faces import mtcnn as mtcnn_module
from kaffect.faces import overlap
from kaffect.faces.detector import covered
from kaffect.synthetic import SyntheticConfig, make_plan, render_video, simulate_video

Frames = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def drawn() -> Frames:
    """(picture, true box) of four frames of each of two drawn people, one in front of each wall."""
    plan = make_plan(SyntheticConfig.profile("smoke"))
    found = []
    for video in (plan[0], plan[5]):
        (track,) = simulate_video(video)
        pictures = list(itertools.islice(render_video(video), 0, 40, 12))
        found += [(image, track.boxes[12 * n]) for n, image in enumerate(pictures)]
    return [(image, box) for image, box in found if not np.isnan(box[0])]


@pytest.mark.parametrize("name", ["haar", "mtcnn"])
def test_a_drawn_face_is_met_in_every_frame(drawn: Frames, name: str) -> None:
    detector = create_detector(name)
    answers = detector.detect([image for image, _ in drawn])
    assert len(answers) == len(drawn) >= 6
    for faces, (image, box) in zip(answers, drawn):
        assert overlap(faces[0].box, box) > 0.5
        assert 0 < faces[0].score <= 1
        assert [f.score for f in faces] == sorted((f.score for f in faces), reverse=True)
        assert len(faces) == 1 or name == "haar"
        if detector.has_landmarks:
            points = faces[0].landmarks
            assert points is not None and points.shape == (5, 2)
            left, right, nose, mouth_left, mouth_right = points
            assert left[0] < nose[0] < right[0] and mouth_left[0] < mouth_right[0]
            assert left[1] < nose[1] < mouth_left[1]
            assert all(box[0] < x < box[2] and box[1] < y < box[3] for x, y in points)


@pytest.mark.parametrize("name", ["haar", "mtcnn"])
def test_larger_frames_give_larger_boxes_at_the_same_place(drawn: Frames, name: str) -> None:
    """Frames above the working size: answers are in pixels of the frame."""
    image, box = drawn[0]
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    (faces,) = create_detector(name).detect([large])
    assert overlap(np.array(faces[0].box) / 3, box) > 0.5


def test_batches_give_what_single_frames_give(drawn: Frames) -> None:
    detector = create_detector("mtcnn")
    images = [image for image, _ in drawn[:3]]
    together = detector.detect([*images, np.full((80, 90, 3), 99, np.uint8)])
    for faces, image in zip(together, images):
        (alone,) = detector.detect([image])
        assert overlap(faces[0].box, alone[0].box) > 0.9
    assert together[3] == []


@pytest.mark.parametrize("name", ["haar", "mtcnn"])
def test_no_face_gives_no_box(name: str) -> None:
    rng = np.random.default_rng(0)
    flat = np.full((120, 160, 3), 140, np.uint8)
    noise = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
    tiny = np.zeros((8, 9, 3), np.uint8)
    assert create_detector(name).detect([flat, noise, tiny]) == [[], [], []]


@pytest.mark.parametrize("angle", [-35, 35])
def test_a_second_look_finds_a_tilted_face(drawn: Frames, angle: float) -> None:
    detector = create_detector("haar")
    image, box = drawn[0]
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    turn = cv2.getRotationMatrix2D(middle, angle, 1.0)
    turned = cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    found = detector.detect_near(turned, tuple(box.tolist()))
    assert found is not None and overlap(found.box, box) > 0.5
    empty = np.full_like(image, 120)
    assert detector.detect_near(empty, tuple(box.tolist())) is None


@pytest.mark.parametrize("name", ["haar", "mtcnn"])
def test_the_description_is_json_with_name_and_version(name: str) -> None:
    described = create_detector(name).describe()
    assert json.loads(json.dumps(described)) == described
    assert described["name"] == name and any(c.isdigit() for c in described["version"])


@pytest.mark.parametrize("name", ["haar", "mtcnn"])
@pytest.mark.parametrize(
    "frame", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8)]
)
def test_what_is_no_frame_is_refused(name: str, frame: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=r"\[height, width, 3\] of uint8"):
        create_detector(name).detect([frame])


def test_names_and_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'haar', 'mediapipe', 'mtcnn'"):
        create_detector("dlib")
    with pytest.raises(ConfigError, match="brings its own weights"):
        create_detector("haar", tmp_path / "m.tflite")
    with pytest.raises(ConfigError, match="needs a model file.*Received: no file"):
        create_detector("mediapipe")
    with pytest.raises(ConfigError, match="needs a model file"):
        create_detector("mediapipe", tmp_path / "missing.tflite")
    monkeypatch.setattr(mtcnn_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="pip install 'mtcnn"):
        create_detector("mtcnn")
    assert set(DETECTORS) == {"haar", "mtcnn", "mediapipe"}


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is not None, reason="is installed")
def test_mediapipe_missing_is_said(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"kaffect\[mediapipe\]"):
        create_detector("mediapipe", tmp_path / "m.tflite")


def test_overlap_by_hand() -> None:
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert covered((0, 0, 10, 10), (5, 5, 50, 50)) == pytest.approx(0.25)
    assert isinstance(create_detector("haar"), FaceDetector)
