"""What a network says of each person in a video: one recurrent state for each of them."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kaffect.data.video.media import MOST_WAITING_BYTES
from kaffect.errors import VideoError
from kaffect.faces import FaceDetector, FaceTracker, TrackedFace, TrackerConfig
from kaffect.faces.crops import CropRule
from kaffect.faces.reading import FaceReading, read_faces_of
from kaffect.serving.predict.sources import SourceFrame
from kaffect.serving.predictor import MAX_GAP, Predictor

# People whose state is kept; who was seen longest ago is forgotten.
_REMEMBERED = 64

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class FaceAnswer:
    """One face in one frame.

    Attributes:
        face: person, box in pixels, detection score.
        outputs: output -> [k], float32.
        reading: pose and quality, where they were asked for.
    """

    face: TrackedFace
    outputs: Arrays
    reading: FaceReading | None = None


@dataclass(frozen=True)
class FrameAnswer:
    """All faces of one frame; none where there is no face."""

    frame: SourceFrame
    faces: tuple[FaceAnswer, ...]


@dataclass(frozen=True)
class CroppedFrame:
    """A frame with its faces cut out.

    Attributes:
        readings: pose and quality of the faces, where they were asked for.
        began: person -> frame at which the sequence began in which this face stands, where the
            reader has not been given the person's earlier faces.
    """

    frame: SourceFrame
    faces: tuple[TrackedFace, ...]
    crops: tuple[np.ndarray, ...]
    readings: tuple[FaceReading | None, ...] = ()
    began: Mapping[int, int] = field(default_factory=dict)


def cropped_frames(
    frames: Iterable[SourceFrame],
    detector: FaceDetector,
    rule: CropRule,
    config: TrackerConfig | None = None,
    *,
    at_once: bool = False,
) -> Iterator[CroppedFrame]:
    """Track the faces of a video and cut them out.

    Args:
        at_once: give each frame as soon as it was read (cameras); by default the detector gets
            several key frames together, and reads and detects ahead in threads of their own.
    """
    waiting: deque[SourceFrame] = deque()
    last = CroppedFrame(SourceFrame(-1, 0.0, np.zeros(0), True, ()), (), ())
    tracker = FaceTracker(detector, config)

    def fresh() -> Iterator[np.ndarray]:
        for frame in frames:
            waiting.append(frame)
            if frame.fresh:
                yield frame.image

    # Frames that show the same picture as the one before have its faces too.
    found = (
        (tracker.update(image) for image in fresh())
        if at_once
        else tracker.run(fresh(), ahead=True)
    )
    with contextlib.closing(found):
        for faces in found:
            while not waiting[0].fresh:
                yield CroppedFrame(waiting.popleft(), last.faces, last.crops)
            last = _cropped(waiting.popleft(), [f for f in faces if f.confirmed], rule)
            yield last
    for frame in waiting:
        yield CroppedFrame(frame, last.faces, last.crops)


def _cropped(frame: SourceFrame, faces: list[TrackedFace], rule: CropRule) -> CroppedFrame:
    kept, crops = [], []
    for face in faces:
        try:
            crops.append(rule.apply(frame.image, np.asarray(face.box), face.landmarks))
        except VideoError:
            continue  # the box has left the picture
        kept.append(face)
    return CroppedFrame(frame, tuple(kept), tuple(crops))


def with_readings(
    frames: Iterable[CroppedFrame], asked: Callable[[SourceFrame], bool]
) -> Iterator[CroppedFrame]:
    """The frames with the pose and quality of their faces.

    Args:
        asked: for which frames.
    """
    known: tuple[np.ndarray, ...] | None = None
    readings: tuple[FaceReading | None, ...] = ()
    for frame in frames:
        if not asked(frame.frame):
            yield frame
            continue
        if frame.crops is not known:  # else the same picture again
            known = frame.crops
            readings = read_faces_of(frame.frame.image, [face.box for face in frame.faces])
        yield replace(frame, readings=readings)


@dataclass
class _Person:
    state: Mapping[str, Any]
    last: int = -1  # number of the frame at which it was seen last
    since: int = 0  # frames since its sequence began, those without the face included
    features: list[np.ndarray] = field(default_factory=list)


class PeopleReader:
    """Reads the faces of one video with a network.

    As in training a person's sequence starts anew every `predictor.reset_every` frames,
    and a frame on which the face is missing counts as a grey picture; a gap of more than
    `max_gap` seconds starts it anew.

    Args:
        predictor: the network.
        batch: faces that go through the CNN together.
    """

    def __init__(self, predictor: Predictor, batch: int = 16, max_gap: float = MAX_GAP) -> None:
        self.predictor, self.batch = predictor, batch
        self._longest_gap = round(max_gap * predictor.facts.fps)
        self._people: dict[int, _Person] = {}
        self._began: dict[int, int] = {}  # of people who were not seen yet
        self._blank: np.ndarray | None = None
        self._tail: tuple[tuple[np.ndarray, ...], list[Any]] = ((), [])

    def read(self, frames: Iterable[CroppedFrame]) -> Iterator[FrameAnswer]:
        """The answers for all frames, in order; up to `batch` faces later than they came."""
        held: list[CroppedFrame] = []
        faces = held_bytes = 0
        for frame in frames:
            held.append(frame)
            faces += len(frame.crops)
            held_bytes += frame.frame.image.nbytes
            # Empty frames are held back too, but neither for ever nor whatever their size.
            full = len(held) >= 4 * self.batch or held_bytes >= MOST_WAITING_BYTES
            if faces >= self.batch or full:
                yield from self._answers(held)
                held, faces, held_bytes = [], 0, 0
        if held:
            yield from self._answers(held)

    def _answers(self, held: list[CroppedFrame]) -> Iterator[FrameAnswer]:
        computed = self._compute(held)
        if self.predictor.recurrent:
            answers = self._continue(held, computed)
        else:
            answers = dict(zip(_keys(held), computed))
        for frame in held:
            number = frame.frame.number
            readings = itertools.chain(frame.readings, itertools.repeat(None))
            faces = (
                FaceAnswer(face, answers[number, face.person], reading)
                for face, reading in zip(frame.faces, readings)
            )
            yield FrameAnswer(frame.frame, tuple(faces))

    def _compute(self, held: list[CroppedFrame]) -> list[Any]:
        """Features (or, without recurrence, outputs) of each face, each picture only once."""
        known, known_values = self._tail
        slots: list[tuple[np.ndarray, ...]] = []
        places = []
        for frame in held:
            if frame.crops is not known:
                known = frame.crops
                slots.append(known)
            places.append(len(slots) - 1)  # -1: the same pictures as before these frames
        flat = [crop for crops in slots for crop in crops]
        computed = iter(self._network(np.stack(flat)) if flat else [])
        values = [list(itertools.islice(computed, len(crops))) for crops in slots]
        values.append(known_values)  # where -1 points to
        self._tail = known, values[places[-1]]
        return [value for place in places for value in values[place]]

    def _network(self, crops: np.ndarray) -> list[Any]:
        if self.predictor.recurrent:
            return list(self.predictor.encode(crops))
        outputs = self.predictor.predict_frames(crops)
        return [{name: v[i] for name, v in outputs.items()} for i in range(len(crops))]

    def _continue(
        self, held: list[CroppedFrame], features: list[np.ndarray]
    ) -> dict[tuple[int, int], Arrays]:
        """Run every person's sequence on, as far as these frames go."""
        for frame in held:
            self._began.update(frame.began)
        seen: dict[int, list[tuple[int, np.ndarray]]] = {}
        for (number, person), value in zip(_keys(held), features):
            seen.setdefault(person, []).append((number, value))
        answers = {}
        for person, series in seen.items():
            for (number, _), outputs in zip(series, self._sequence(person, series)):
                answers[number, person] = outputs
        for person in list(self._people)[: -_REMEMBERED or None]:
            del self._people[person]
        return answers

    def _sequence(self, number: int, series: list[tuple[int, np.ndarray]]) -> Iterator[Arrays]:
        """Outputs for one person's (frame, features), grey pictures in between left out."""
        reset = self.predictor.reset_every or 1
        person = self._people.pop(number, None) or self._new(number)
        self._people[number] = person  # last in the order: seen last
        wanted: list[bool] = []
        for frame, value in series:
            gap = frame - person.last - 1 if person.last >= 0 else 0
            if gap > self._longest_gap:
                yield from self._run(person, wanted)
                wanted = []
                person.state, person.since, gap = self.predictor.zero_state(), 0, 0
            for real in [False] * gap + [True]:
                if person.since == reset:
                    yield from self._run(person, wanted)
                    wanted = []
                    person.state, person.since = self.predictor.zero_state(), 0
                person.features.append(value if real else self._grey())
                wanted.append(real)
                person.since += 1
            person.last = frame
        yield from self._run(person, wanted)

    def _new(self, number: int) -> _Person:
        last = self._began.pop(number, 0) - 1  # as if seen just before, and then reset
        return _Person(self.predictor.zero_state(), last)

    def _run(self, person: _Person, wanted: list[bool]) -> Iterator[Arrays]:
        if not wanted:
            return
        features = np.stack(person.features)[np.newaxis]
        outputs, person.state = self.predictor.continue_features(features, person.state)
        person.features.clear()
        for t in itertools.compress(range(len(wanted)), wanted):
            yield {name: value[0, t] for name, value in outputs.items()}

    def _grey(self) -> np.ndarray:
        if self._blank is None:
            rule = self.predictor.facts.crop_rule
            self._blank = self.predictor.encode(rule.blank()[np.newaxis])[0]
        return self._blank


def _keys(held: list[CroppedFrame]) -> list[tuple[int, int]]:
    return [(frame.frame.number, face.person) for frame in held for face in frame.faces]
