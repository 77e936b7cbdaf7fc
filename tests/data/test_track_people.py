"""Which person an annotation is about (Sections II-D and III-E)."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.data.detection.video_faces import VideoFaces
from kaffect.data.track_people import choose_people


def people(*rows: tuple[range, float, float]) -> VideoFaces:
    """Somebody for each (frames, centre x, side of the face)."""
    person = np.concatenate([np.full(len(r[0]), n) for n, r in enumerate(rows)] or [[]])
    frame = np.concatenate([list(r[0]) for r in rows] or [[]])
    boxes = [(x - s / 2, 50 - s / 2, x + s / 2, 50 + s / 2) for f, x, s in rows for _ in f]
    count = len(person)
    return VideoFaces(
        person.astype(np.int32), frame.astype(np.int32), np.array(boxes).reshape(-1, 4),
        np.full((count, 5, 2), np.nan), np.ones(count, bool), np.array([300, 100]),
    )  # fmt: skip


PAIR = people((range(1, 100), 220, 30), (range(1, 90), 60, 30), (range(1, 20), 150, 30))


@pytest.mark.parametrize(
    "tracks,expected",
    [
        (["v_left", "v_right"], [1, 0]),
        (["v"], [0]),
        (["v", "v_left"], [0, 1]),
        (["v", "v_right"], [1, 0]),
        (["v", "v_left", "v_right"], [0, 1, 0]),
        (["v_left"], [1]),
    ],
)
def test_two_people(tracks: list[str], expected: list[int]) -> None:
    chosen = choose_people(tracks, "v", PAIR, {})
    assert [chosen[track] for track in tracks] == expected


def test_near_and_long_counts() -> None:
    far_longer = people((range(1, 60), 60, 20), (range(1, 50), 200, 60))
    assert choose_people(["v"], "v", far_longer, {}) == {"v": 1}


def test_sides_are_those_of_the_frames_that_show_both() -> None:
    """The left person walks to the far right after the other has gone."""
    faces = people((range(1, 40), 150, 30), (range(1, 40), 200, 30))
    later = np.arange(39) >= 30
    faces.box[:39][later] += [140, 0, 140, 0]
    assert choose_people(["v_left", "v_right"], "v", faces, {}) == {"v_left": 0, "v_right": 1}


def test_only_one_person() -> None:
    alone = people((range(1, 40), 220, 30))
    assert choose_people(["v_left", "v_right"], "v", alone, {}) == {"v_left": None, "v_right": 0}
    assert choose_people(["v_left"], "v", alone, {}) == {"v_left": 0}


def test_nobody() -> None:
    assert choose_people(["v_left", "v_right", "v"], "v", people(), {}) == dict.fromkeys(
        ["v_left", "v_right", "v"]
    )


def test_given_boxes_name_the_person() -> None:
    boxes = {n: np.array([45.0, 35, 75, 65]) for n in range(1, 50)}
    assert choose_people(["v"], "v", PAIR, {"v": boxes}) == {"v": 1}
    nowhere = {1: np.array([0.0, 0, 9, 9])}
    assert choose_people(["v"], "v", PAIR, {"v": nowhere}) == {"v": None}
