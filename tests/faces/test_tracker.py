"""The same people through a video: crossing, leaving, returning, hidden (Section III-E)."""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from kaffect.errors import ConfigError, VideoError
from kaffect.faces import Detection, FaceTracker, TrackedFace, TrackerConfig, overlap, track_faces
from tests.faces.scenes import Actor, Box, Knowing, Scene


def walk(start: float, speed: float, y: float = 60.0) -> Callable[[int], tuple[float, float]]:
    return lambda n: (start + speed * n, y + 3 * np.sin(n / 5))


def track(scene: Scene, detector: Knowing, **settings: float) -> list[list[TrackedFace]]:
    return list(track_faces(scene.images(), detector, TrackerConfig(**settings)))  # type: ignore


def who(faces: Sequence[TrackedFace], box: Box | None, least: float = 0.5) -> int | None:
    """The person whose box is that one."""
    near = [f.person for f in faces if box is not None and overlap(f.box, box) >= least]
    assert len(near) <= 1
    return near[0] if near else None


def test_one_person_is_met_on_every_frame_with_few_looks() -> None:
    scene = Scene([Actor("red", walk(40, 1.2))], 100)
    detector = Knowing(scene.visible)
    tracked = track(scene, detector)
    assert [who(faces, scene.actors[0].box(n), 0.7) for n, faces in enumerate(tracked)][4:] == [
        0
    ] * 96
    assert {face.person for faces in tracked for face in faces} == {0}
    assert len(detector.asked) <= 100 / 10 + 2
    seen = [n for n, faces in enumerate(tracked) if any(f.detected for f in faces)]
    assert set(seen) <= set(detector.asked) and len(seen) >= 9


def test_the_flow_carries_a_face_that_the_detector_does_not_see() -> None:
    scene = Scene([Actor("red", walk(40, 1.2))], 100)
    detector = Knowing(lambda n: scene.visible(n) if n < 15 else [])
    tracked = track(scene, detector)
    for n in range(15, 100):
        assert who(tracked[n], scene.actors[0].box(n), 0.6) == 0, n
        assert not tracked[n][0].detected
    short = track(scene, Knowing(lambda n: scene.visible(n) if n < 15 else []), coast=30)
    assert short[40] and not short[60] and not short[99]


@pytest.mark.parametrize("front", ["red", "blue"])
def test_two_people_who_cross_keep_their_numbers(front: str) -> None:
    paths = {"red": walk(40, 1.6), "blue": walk(200, -1.6)}
    order = sorted(paths, key=lambda colours: colours == front)  # the last one is in front
    scene = Scene([Actor(colours, paths[colours]) for colours in order], 100)
    tracked = track(scene, Knowing(scene.visible))
    first = [who(tracked[10], actor.box(10)) for actor in scene.actors]
    last = [who(tracked[99], actor.box(99)) for actor in scene.actors]
    assert sorted(first) == [0, 1] and last == first  # type: ignore[type-var]
    assert {face.person for faces in tracked for face in faces} == {0, 1}


def gone(
    path: Callable[[int], tuple[float, float]], first: int, last: int
) -> Callable[[int], tuple[float, float] | None]:
    return lambda n: None if first <= n < last else path(n)


def test_who_returns_near_the_place_is_the_same_person() -> None:
    scene = Scene([Actor("red", gone(walk(100, 0.2), 40, 60))], 100)
    tracked = track(scene, Knowing(scene.visible))
    assert all(not tracked[n] for n in range(45, 60))
    assert who(tracked[99], scene.actors[0].box(99)) == 0


def test_who_looks_alike_is_the_same_person_anywhere_and_later() -> None:
    def path(n: int) -> tuple[float, float] | None:
        return (50, 60) if n < 40 else None if n < 130 else (190, 70)

    scene = Scene([Actor("red", path)], 160)
    tracked = track(scene, Knowing(scene.visible))
    assert {f.person for f in tracked[30]} == {f.person for f in tracked[159]} == {0}


def test_who_looks_different_is_a_new_person() -> None:
    scene = Scene(
        [
            Actor("red", lambda n: (50, 60) if n < 40 else None),
            Actor("blue", lambda n: (190, 70) if n >= 130 else None),
        ],
        160,
    )
    tracked = track(scene, Knowing(scene.visible))
    assert {f.person for f in tracked[30]} == {0} and {f.person for f in tracked[159]} == {1}


def test_nobody_is_an_empty_list() -> None:
    detector = Knowing(lambda n: [])
    assert track(Scene([], 40), detector) == [[]] * 40
    assert detector.asked == list(range(0, 40, 5))


def test_a_single_hit_is_not_believed() -> None:
    wrong = (100.0, 50.0, 136.0, 94.0)
    scene = Scene([], 60)
    tracked = track(scene, Knowing(lambda n: [wrong] if n == 20 else []))
    assert tracked == [[]] * 60
    sure = track(scene, Knowing(lambda n: [wrong] if n == 20 else [], score=0.99))
    assert sure[20] != []


def test_unconfirmed_faces_are_marked() -> None:
    scene = Scene([Actor("red", walk(100, 0))], 12)
    tracker = FaceTracker(Knowing(scene.visible))
    flags = [face.confirmed for image in scene.images() for face in tracker.update(image)]
    assert flags == [False] * 3 + [True] * 9


def test_a_cut_to_another_picture_moves_nobody_along() -> None:
    """After a cut the old box is not carried into a picture of somebody else."""
    first = Scene([Actor("red", walk(60, 0))], 23)
    second = Scene([Actor("blue", walk(180, 0, 70))], 60, wall=5)
    images = first.images() + [second.image(n) for n in range(23, 60)]
    detector = Knowing(lambda n: (first if n < 23 else second).visible(n))
    tracked = list(track_faces(images, detector))
    for n in range(27, 60):
        assert who(tracked[n], second.actors[0].box(n)) == 1
        assert len(tracked[n]) == 1


def test_a_change_of_the_frame_size_is_survived() -> None:
    scene = Scene([Actor("red", walk(100, 0.5))], 40)
    images = [np.ascontiguousarray(i[:, :200]) if n >= 17 else i
              for n, i in enumerate(scene.images())]  # fmt: skip
    tracked = list(track_faces(images, Knowing(scene.visible)))
    assert who(tracked[39], scene.actors[0].box(39)) == 0


def test_chunks_change_nothing_but_when_answers_come() -> None:
    scene = Scene([Actor("red", walk(40, 1.2)), Actor("blue", walk(200, -1))], 57)
    one = track(scene, Knowing(scene.visible))
    assert track(scene, Knowing(scene.visible, batch=3)) == one
    tracker = FaceTracker(Knowing(scene.visible))
    live = [[f for f in tracker.update(image) if f.confirmed] for image in scene.images()]
    assert live == one


class Slow(Knowing):
    """A detector that takes a while, and that must not be asked by two threads at once."""

    busy = overlapped = False

    def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
        self.overlapped |= self.busy
        self.busy = True
        time.sleep(0.03)
        found = super().detect(frames)
        self.busy = False
        return found


def test_reading_and_detecting_ahead_changes_nothing() -> None:
    """Also where a doubted face is looked for between the key frames: they cross and are hidden."""
    scene = Scene([Actor("red", walk(60, 1.6)), Actor("blue", walk(180, -1.6))], 60)

    def faces(ahead: bool) -> tuple[list, set[int]]:
        detector = Slow(scene.visible, batch=3)
        tracker = FaceTracker(detector)
        found = []
        for now in tracker.run(iter(scene.images()), ahead=ahead):
            found.append((now, tracker.earlier))
        assert not detector.overlapped
        return found, set(detector.asked)

    step_by_step, asked = faces(False)
    assert asked - set(range(0, 60, 10))
    assert faces(True) == (step_by_step, asked)


def test_an_error_while_reading_ahead_comes_behind_the_frames_before_it() -> None:
    scene = Scene([Actor("red", walk(40, 1.2))], 47)

    def broken() -> Iterator[np.ndarray]:
        yield from scene.images()
        raise VideoError("frame 47 is damaged")

    before = threading.active_count()
    answers = FaceTracker(Knowing(scene.visible)).run(broken(), ahead=True)
    found = []
    with pytest.raises(VideoError, match="47"):
        for faces in answers:
            found.append(faces)
    # The chunk in which it happened was not looked at; step by step neither.
    assert found == track_all(scene)[:40]
    endless = itertools.cycle(scene.images())
    stopped = FaceTracker(Knowing(scene.visible)).run(endless, ahead=True)
    next(stopped)
    stopped.close()
    assert threading.active_count() == before


def track_all(scene: Scene) -> list[list[TrackedFace]]:
    tracker = FaceTracker(Knowing(scene.visible))
    return [tracker.update(image) for image in scene.images()]


def test_landmarks_move_with_the_face() -> None:
    scene = Scene([Actor("red", walk(40, 1.5))], 30)

    class WithPoints(Knowing):
        def detect(self, frames: Sequence[np.ndarray]) -> list[list[Detection]]:
            shape = np.array([[9, 15], [27, 15], [18, 24], [11, 33], [25, 33]])
            return [
                [Detection(d.box, d.score, shape + d.box[:2]) for d in found]
                for found in super().detect(frames)
            ]

    tracked = list(track_faces(scene.images(), WithPoints(scene.visible)))
    for n in range(5, 30):
        box = scene.actors[0].box(n)
        assert box is not None and tracked[n][0].landmarks is not None
        nose = tracked[n][0].landmarks[2]
        assert np.linalg.norm(nose - [box[0] + 18, box[1] + 24]) < 4


def test_frames_are_let_go() -> None:
    """No more frames are alive than the chunk that waits for the detector."""
    scene = Scene([Actor("red", walk(40, 0.5))], 120)
    made: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def frames() -> Iterator[np.ndarray]:
        for number in range(scene.frames):
            image = scene.image(number)
            made.append(weakref.ref(image))
            alive.append(sum(reference() is not None for reference in made))
            yield image

    config = TrackerConfig(detect_every=5)
    for _ in track_faces(frames(), Knowing(scene.visible, batch=2), config):
        pass
    assert 10 <= max(alive) <= 10 + 5 + 3  # the chunk, what `earlier` needs, those in hand


def test_people_in_mind_are_limited() -> None:
    """A crowd that passes by does not fill the memory."""
    colours = np.random.default_rng(0).integers(0, 255, (60, 3))

    def image(number: int) -> np.ndarray:
        scene = Scene([], 1).image(number)
        scene[40:84, 60:96] = colours[number // 4]
        scene[90:, 40:116] = colours[number // 4][::-1]
        return scene

    tracker = FaceTracker(
        Knowing(lambda n: [(60.0, 40.0, 96.0, 84.0)], score=0.99),
        TrackerConfig(detect_every=1, remember=5, patience=0, same_look=0.01, least_certainty=1.0),
    )
    for number in range(240):
        tracker.update(image(number))
    assert len(tracker._lost) <= 5


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError):
        TrackerConfig(detect_every=0)
    assert TrackerConfig(**TrackerConfig().to_dict()) == TrackerConfig()
