"""Which person an annotation is about (Sections II-D and III-E)."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.data.prepared.track_people import choose_people
from kaffect.faces.video_faces import VideoFaces


def people(*rows: tuple[range, float, float], colours: str = "") -> VideoFaces:
    """Somebody for each (frames, centre x, side of the face); equal letters look alike."""
    person = np.concatenate([np.full(len(r[0]), n) for n, r in enumerate(rows)] or [[]])
    frame = np.concatenate([list(r[0]) for r in rows] or [[]])
    boxes = [(x - s / 2, 50 - s / 2, x + s / 2, 50 + s / 2) for f, x, s in rows for _ in f]
    count = len(person)
    return VideoFaces(
        person.astype(np.int32), frame.astype(np.int32), np.array(boxes).reshape(-1, 4),
        np.full((count, 5, 2), np.nan), np.ones(count, bool), np.array([300, 100]),
        np.array([look(letter) for letter in colours or "abcdefgh"[: len(rows)]]),
    )  # fmt: skip


def look(letter: str) -> np.ndarray:
    """All of head and clothes in one of 26 colours; '?' is not known."""
    if letter == "?":
        return np.full((2, 1600), np.nan, np.float32)
    return np.tile(np.eye(1600, dtype=np.float32)[ord(letter) - ord("a")], (2, 1))


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
    assert [chosen[track] for track in tracks] == [(person,) for person in expected]


def test_near_and_long_counts() -> None:
    far_longer = people((range(1, 60), 60, 20), (range(1, 50), 200, 60))
    assert choose_people(["v"], "v", far_longer, {}) == {"v": (1,)}


def test_sides_are_those_of_the_frames_that_show_both() -> None:
    """The left person walks to the far right after the other has gone."""
    faces = people((range(1, 40), 150, 30), (range(1, 40), 200, 30))
    later = np.arange(39) >= 30
    faces.box[:39][later] += [140, 0, 140, 0]
    assert choose_people(["v_left", "v_right"], "v", faces, {}) == {"v_left": (0,), "v_right": (1,)}


def test_only_one_person() -> None:
    alone = people((range(1, 40), 220, 30))
    assert choose_people(["v_left", "v_right"], "v", alone, {}) == {"v_left": (), "v_right": (0,)}
    assert choose_people(["v_left"], "v", alone, {}) == {"v_left": (0,)}


def test_nobody() -> None:
    assert choose_people(["v_left", "v_right", "v"], "v", people(), {}) == dict.fromkeys(
        ["v_left", "v_right", "v"], ()
    )


def test_given_boxes_name_the_person() -> None:
    boxes = {n: np.array([45.0, 35, 75, 65]) for n in range(1, 50)}
    assert choose_people(["v"], "v", PAIR, {"v": boxes}) == {"v": (1,)}
    nowhere = {1: np.array([0.0, 0, 9, 9])}
    assert choose_people(["v"], "v", PAIR, {"v": nowhere}) == {"v": ()}


def test_sides_are_people_who_share_frames() -> None:
    """A cut renumbers the person on the left; only two of the three are seen together."""
    left, right = (range(1, 100), 60, 40), (range(100, 150), 230, 30)
    faces = people(left, (range(100, 190), 70, 40), right, colours="aab")
    chosen = choose_people(["v_left", "v_right"], "v", faces, {})
    assert chosen == {"v_left": (1,), "v_right": (2,)}


def test_nobody_shares_a_frame() -> None:
    """One person with two numbers is not two people."""
    faces = people((range(1, 100), 220, 30), (range(120, 180), 60, 30), colours="aa")
    chosen = choose_people(["v_left", "v_right"], "v", faces, {})
    assert chosen == {"v_left": (), "v_right": (0, 1)}


@pytest.mark.parametrize(
    "colours,frames,expected",
    [
        ("aaa", (range(50, 90), range(90, 95)), (0, 1, 2)),
        ("aab", (range(50, 90), range(90, 95)), (0, 1)),
        ("aaa", (range(49, 90), range(90, 95)), (0, 2)),
        ("a?a", (range(50, 90), range(90, 95)), (0, 2)),
    ],
    ids=["alike", "another look", "seen at once", "unknown look"],
)
def test_fragments_of_one_person_are_joined(
    colours: str, frames: tuple[range, range], expected: tuple[int, ...]
) -> None:
    faces = people((range(1, 50), 60, 60), *((f, 80, 30) for f in frames), colours=colours)
    assert choose_people(["v"], "v", faces, {}) == {"v": expected}
    joined = faces.joined(expected)
    assert (np.diff(joined.frame) > 0).all() and set(joined.person.tolist()) == set(expected)
