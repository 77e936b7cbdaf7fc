"""One recurrent state per person; grey pictures in short gaps, a new start after long ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from kaffect.faces import TrackedFace
from kaffect.faces.crops import CropRule
from kaffect.serving.golden import golden_pictures
from kaffect.serving.loading import Export, load_export
from kaffect.serving.predict.people import CroppedFrame, PeopleReader, cropped_frames
from kaffect.serving.predict.sources import SourceFrame
from kaffect.serving.predictor import Predictor

from .clips import SIDE, SquareDetector, scene

EMPTY = np.zeros((4, 4, 3), np.uint8)
CROPS = golden_pictures((100,), 96, seed=5)


@pytest.fixture(scope="module")
def predictor(sequence_export: Export) -> Predictor:
    return Predictor(sequence_export)


def frame(number: int, image: np.ndarray = EMPTY, fresh: bool = True) -> SourceFrame:
    return SourceFrame(number, number / 30, image, fresh, ((number + 1, number / 30),))


def face(person: int) -> TrackedFace:
    return TrackedFace(person, (0.0, 0.0, 9.0, 9.0), 0.9, None, True)


def cropped(number: int, crops: dict[int, np.ndarray]) -> CroppedFrame:
    return CroppedFrame(frame(number), tuple(map(face, crops)), tuple(crops.values()))


def read(predictor: Predictor, frames: Sequence[CroppedFrame], batch: int = 16) -> dict:
    """(frame, person) -> valence and arousal."""
    answers = list(PeopleReader(predictor, batch).read(frames))
    assert [a.frame.number for a in answers] == [f.frame.number for f in frames]
    return {
        (a.frame.number, f.face.person): f.outputs["valence_arousal"]
        for a in answers
        for f in a.faces
    }


@pytest.mark.parametrize("batch", [1, 16, 1000])
def test_one_person_equals_the_whole_sequence(predictor: Predictor, batch: int) -> None:
    found = read(predictor, [cropped(k, {0: CROPS[k]}) for k in range(100)], batch)
    expected = predictor.predict_frames(CROPS)["valence_arousal"]  # anew after 80 frames
    np.testing.assert_allclose([found[k, 0] for k in range(100)], expected, atol=1e-5)


def test_two_people_have_states_of_their_own(predictor: Predictor) -> None:
    frames = [cropped(k, {7: CROPS[k], 3: CROPS[50 + k]}) for k in range(20)]
    frames += [cropped(k, {3: CROPS[50 + k], 7: CROPS[k]}) for k in range(20, 40)]  # they cross
    found = read(predictor, frames)
    for person, crops in ((7, CROPS[:40]), (3, CROPS[50:90])):
        expected = predictor.predict_frames(crops)["valence_arousal"]
        np.testing.assert_allclose([found[k, person] for k in range(40)], expected, atol=1e-5)


def test_a_short_gap_counts_as_grey_pictures(predictor: Predictor) -> None:
    away = set(range(12, 20))
    frames = [cropped(k, {} if k in away else {0: CROPS[k]}) for k in range(90)]
    found = read(predictor, frames)
    filled = CROPS[:90].copy()
    filled[sorted(away)] = CropRule().blank()
    expected = predictor.predict_frames(filled)["valence_arousal"]
    for k in range(90):
        assert ((k, 0) in found) == (k not in away)
        if k not in away:
            np.testing.assert_allclose(found[k, 0], expected[k], atol=1e-5)


@pytest.mark.parametrize(("gap", "anew"), [(30, False), (31, True), (200, True)])
def test_who_returns_late_starts_anew(predictor: Predictor, gap: int, anew: bool) -> None:
    frames = [cropped(k, {0: CROPS[k]}) for k in range(10)]
    frames += [cropped(10 + k, {}) for k in range(gap)]
    frames += [cropped(10 + gap + k, {0: CROPS[10 + k]}) for k in range(5)]
    found = read(predictor, frames)
    alone = predictor.predict_frames(CROPS[10:15])["valence_arousal"]
    after = np.stack([found[10 + gap + k, 0] for k in range(5)])
    assert np.allclose(after, alone, atol=1e-5) == anew


def test_the_same_picture_is_read_once(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    encode = predictor.encode
    monkeypatch.setattr(predictor, "encode", lambda x: seen.append(len(x)) or encode(x))
    first = cropped(0, {0: CROPS[0], 1: CROPS[1]})
    frames = [first]
    for k in range(1, 9):  # a slow source: each of its frames is shown three times
        same = frames[-1] if k % 3 else cropped(k, {0: CROPS[k], 1: CROPS[k + 1]})
        frames.append(CroppedFrame(frame(k), same.faces, same.crops))
    found = read(predictor, frames, batch=4)
    assert sum(seen) == 6
    shown = CROPS[[0, 0, 0, 3, 3, 3, 6, 6, 6]]
    expected = predictor.predict_frames(shown)["valence_arousal"]
    np.testing.assert_allclose([found[k, 0] for k in range(9)], expected, atol=1e-5)


def test_a_network_of_single_pictures(frame_export: Path) -> None:
    predictor = Predictor(load_export(frame_export))
    crops = golden_pictures((5,), 32, seed=1)
    found = read(predictor, [cropped(k, {0: crops[k], 4: crops[-1]}) for k in range(5)], batch=3)
    expected = predictor.predict_frames(crops)["valence_arousal"]
    np.testing.assert_allclose([found[k, 0] for k in range(5)], expected, atol=1e-5)
    np.testing.assert_allclose(found[0, 4], expected[-1], atol=1e-5)


@pytest.mark.parametrize("at_once", [False, True])
def test_faces_are_tracked_and_cut_out(at_once: bool) -> None:
    """Two people pass each other's height; one leaves. Every second frame is shown twice."""
    places = [((10 + k, 20), (110 - k, 70) if k < 25 else None) for k in range(40)]
    images = [scene(*p) for p in places]
    frames = []
    for k in range(40):
        frames.append(frame(len(frames), images[k]))
        if k % 2:
            frames.append(frame(len(frames), images[k], fresh=False))
    shown = [k for k in range(40) for _ in range(1 + k % 2)]
    rule = CropRule(image_size=SIDE)
    found = list(cropped_frames(frames, SquareDetector(), rule, at_once=at_once))
    assert [c.frame.number for c in found] == list(range(60))
    for crop, k in zip(found, shown):
        if 10 <= k < 25:
            assert len(crop.faces) == 2
        if k >= 32:
            assert len(crop.faces) == 1
        for tracked, picture in zip(crop.faces, crop.crops):
            left, top = places[k][tracked.person] or (0, 0)
            assert np.abs(np.array(tracked.box[:2]) - (left, top)).max() < 6
            assert picture.shape == (SIDE, SIDE, 3)
    for one, two in zip(found, found[1:]):
        assert (two.crops is one.crops) == (not two.frame.fresh)
