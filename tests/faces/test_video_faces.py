"""Whole videos: nobody is lost at the start, short gaps are closed (Section III-E)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kaffect.errors import ArtifactError
from kaffect.faces import TrackerConfig, overlap
from kaffect.faces.video_faces import VideoFaces, find_faces
from tests.faces.scenes import Actor, Knowing, Scene


def numbered(scene: Scene) -> list[tuple[int, np.ndarray]]:
    return [(2 * n + 1, image) for n, image in enumerate(scene.images())]


def boxes_of(faces: VideoFaces, person: int) -> dict[int, np.ndarray]:
    mine = faces.of(person)
    return dict(zip(mine.frame.tolist(), mine.box))


def test_frames_before_the_first_look_are_filled() -> None:
    """Somebody enters at frame 12; the detector looks at 15 and believes at 18."""
    scene = Scene([Actor("red", lambda n: (60 + n, 60) if n >= 12 else None)], 40)
    faces = find_faces(numbered(scene), Knowing(scene.visible))
    assert faces.people == 1 and faces.size.tolist() == [240, 160]
    found = boxes_of(faces, 0)
    assert sorted(found) == [2 * n + 1 for n in range(12, 40)]
    for n in range(12, 40):
        assert overlap(found[2 * n + 1], scene.actors[0].box(n) or (0, 0, 1, 1)) > 0.7


def test_a_short_gap_is_closed_and_a_long_one_is_not() -> None:
    def path(n: int) -> tuple[float, float] | None:
        return None if 30 <= n < 36 or 70 <= n < 110 else (60 + n / 2, 60)

    scene = Scene([Actor("red", path)], 140)
    faces = find_faces(numbered(scene), Knowing(scene.visible))
    assert faces.people == 1
    found = boxes_of(faces, 0)
    for n in range(30, 36):
        middle = (found[2 * n + 1][0] + found[2 * n + 1][2]) / 2
        assert abs(middle - (60 + n / 2)) < 4
    assert not any(2 * n + 1 in found for n in range(75, 110))


def test_who_was_never_believed_is_left_out_and_numbers_close_up() -> None:
    scene = Scene([Actor("blue", lambda n: (180, 70))], 40)
    wrong = (20.0, 20.0, 56.0, 64.0)

    def answer(n: int) -> list[tuple[float, float, float, float]]:
        return [wrong] if n == 0 else scene.visible(n)

    faces = find_faces(numbered(scene), Knowing(answer))
    assert faces.people == 1 and np.all(faces.person == 0)
    assert np.all(np.diff(faces.frame) > 0)


def test_people_are_told_apart_by_their_colours() -> None:
    """Red and blue side by side; red again in other pictures looks like red, not like blue."""
    pair = [Actor("red", lambda n: (60, 60)), Actor("blue", lambda n: (180, 70))]
    scene = Scene(pair, 30)
    faces = find_faces(numbered(scene), Knowing(scene.visible))
    assert faces.people == 2 and len(faces.looks) == 2
    other = Scene([Actor("red", lambda n: (120, 80))], 30)
    again = find_faces(numbered(other), Knowing(other.visible))
    same = TrackerConfig().same_look
    centre = [faces.of(n).box[:, 0].mean() for n in (0, 1)]
    red, blue = (0, 1) if centre[0] < centre[1] else (1, 0)
    assert faces.unlike(red, blue) > same
    both = np.concatenate([again.looks, faces.looks])
    joined = VideoFaces(**{**vars(faces), "looks": both})
    assert joined.unlike(0, 1 + red) < same < joined.unlike(0, 1 + blue)


def test_who_is_told_of_each_frame_may_stop() -> None:
    scene = Scene([Actor("red", lambda n: (60, 60))], 40)
    passed: list[int] = []

    def stop(number: int) -> None:
        passed.append(number)
        if len(passed) == 7:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        find_faces(numbered(scene), Knowing(scene.visible), passed=stop)
    assert passed == [1, 3, 5, 7, 9, 11, 13] and threading.active_count() == before


def test_nobody() -> None:
    faces = find_faces(numbered(Scene([], 12)), Knowing(lambda n: []))
    assert faces.people == 0 and faces.box.shape == (0, 4)
    assert find_faces([], Knowing(lambda n: [])).people == 0


def test_files_come_back_and_foreign_ones_are_refused(tmp_path: Path) -> None:
    scene = Scene([Actor("red", lambda n: (60 + n, 60))], 20)
    faces = find_faces(numbered(scene), Knowing(scene.visible))
    faces.save(tmp_path / "f")
    loaded = VideoFaces.load(tmp_path / "f")
    for name in VideoFaces.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(faces, name))
    again = find_faces(numbered(scene), Knowing(scene.visible, batch=4))
    again.save(tmp_path / "g")
    assert (tmp_path / "f").read_bytes() == (tmp_path / "g").read_bytes()
    (tmp_path / "f").write_bytes(b"PK")
    with pytest.raises(ArtifactError):
        VideoFaces.load(tmp_path / "f")


def resident() -> float:
    """MiB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def growth(frames: int) -> float:
    """MiB by which finding faces in a simulated video grows after its first tenth."""
    scene = Scene([Actor("red", lambda n: (100 + 30 * np.sin(n / 40), 60))], 250)
    images = scene.images()
    marks: list[float] = []

    def simulated() -> Iterator[tuple[int, np.ndarray]]:
        for number in range(frames):
            if number == frames // 10:
                marks.append(resident())
            yield number + 1, images[number % 250]

    faces = find_faces(simulated(), Knowing(scene.visible, 0.99))
    assert len(faces.frame) > 0.95 * frames
    return resident() - marks[0]


def test_memory_stays_the_same() -> None:
    """600 frames of 115 kB are 69 MB; what is kept of each is its row."""
    assert growth(600) < 25


@pytest.mark.nightly
def test_memory_stays_the_same_over_an_hour() -> None:
    assert growth(108_000) < 60
