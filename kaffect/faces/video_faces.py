"""All faces of one video, person by person, as arrays (paper Section III-E).

The tracker answers frame by frame; a whole video allows more: a person who was
confirmed late is kept from the first frame on, and short gaps are closed.
"""

from __future__ import annotations

import contextlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaffect.archives import Headers, read_npz, require_kinds
from kaffect.faces.appearance import Look
from kaffect.faces.detector import FaceDetector
from kaffect.faces.people import TrackedFace
from kaffect.faces.tracker import FaceTracker, TrackerConfig
from kaffect.files import atomic_write

LANDMARKS = 5
# A person who is missing for at most this many frames was hidden, not gone.
_CLOSED_GAP = 10
_MOST_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class VideoFaces:
    """The faces of a video, sorted by person and frame; n rows.

    Attributes:
        person: [n] int32, from 0 in the order of first appearance.
        frame: [n] int32, 1-based number of the source frame.
        box: [n, 4] float32 (left, top, right, bottom) in pixels, to a tenth.
        landmarks: [n, 5, 2] float32, or NaN where the detector has none.
        detected: [n] bool: seen by the detector in this frame (else followed, or filled in).
        size: [2] int32, width and height of the frames in pixels.
        looks: [people, 2, bins] float32, colours of each person (`Look.to_array`).
    """

    person: np.ndarray
    frame: np.ndarray
    box: np.ndarray
    landmarks: np.ndarray
    detected: np.ndarray
    size: np.ndarray
    looks: np.ndarray

    @property
    def people(self) -> int:
        return int(self.person.max()) + 1 if len(self.person) else 0

    def of(self, person: int) -> VideoFaces:
        """The rows of one person."""
        return self._take(np.flatnonzero(self.person == person))

    def joined(self, people: Sequence[int]) -> VideoFaces:
        """The rows of several people who are never seen at once, in the order of frames."""
        rows = np.flatnonzero(np.isin(self.person, people))
        return self._take(rows[np.argsort(self.frame[rows], kind="stable")])

    def _take(self, rows: np.ndarray) -> VideoFaces:
        return VideoFaces(
            self.person[rows], self.frame[rows], self.box[rows], self.landmarks[rows],
            self.detected[rows], self.size, self.looks,
        )  # fmt: skip

    def unlike(self, person: int, other: int) -> float:
        """How different two people look, 0 to 1 (`Look.distance`)."""
        return Look.from_array(self.looks[person]).distance(Look.from_array(self.looks[other]))

    def save(self, path: Path) -> None:
        """Write to `path`; complete or not at all."""
        with atomic_write(path, "wb") as handle:
            np.savez(
                handle, person=self.person, frame=self.frame, box=self.box,
                landmarks=self.landmarks, detected=self.detected, size=self.size,
                looks=self.looks,
            )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> VideoFaces:
        """What `save` wrote.

        Raises:
            ArtifactError: it is something else.
        """

        def check(headers: Headers) -> None:
            if headers.keys() != cls.__dataclass_fields__.keys():
                raise ValueError(f"arrays {sorted(headers)}")
            require_kinds(headers, "fiub")

        return cls(**read_npz(path, "the faces of a video", _MOST_BYTES, check))


class _Rows:
    """Collects rows, a few dozen bytes each."""

    def __init__(self) -> None:
        self.person, self.frame = array("i"), array("i")
        self.numbers, self.detected = array("f"), array("b")
        self.confirmed: set[int] = set()
        self.looks: dict[int, np.ndarray] = {}
        self.size = np.zeros(2, np.int32)

    def add(self, frame: int, face: TrackedFace) -> None:
        self.person.append(face.person)
        self.frame.append(frame)
        self.numbers.extend(face.box)
        points = face.landmarks
        self.numbers.extend(
            [np.nan] * 2 * LANDMARKS if points is None else np.ravel(points).tolist()
        )
        self.detected.append(face.detected)
        if face.detected and face.look is not None:
            self.looks[face.person] = face.look.to_array()
        if face.confirmed:
            self.confirmed.add(face.person)

    def result(self) -> VideoFaces:
        person = np.array(self.person, np.int32)
        frame = np.array(self.frame, np.int32)
        numbers = np.array(self.numbers, np.float32).reshape(-1, 4 + 2 * LANDMARKS).round(1)
        detected = np.array(self.detected, bool)
        keep = np.isin(person, sorted(self.confirmed))
        order = np.flatnonzero(keep)[np.lexsort((frame[keep], person[keep]))]
        people, numbered = np.unique(person[order], return_inverse=True)
        unknown = Look(None, None).to_array()
        looks = [self.looks.get(n, unknown) for n in people.tolist()]
        return VideoFaces(
            numbered.astype(np.int32), frame[order], numbers[order, :4],
            numbers[order, 4:].reshape(-1, LANDMARKS, 2), detected[order], self.size,
            np.array(looks, np.float32).reshape(len(looks), *unknown.shape),
        )  # fmt: skip


def find_faces(
    frames: Iterable[tuple[int, np.ndarray]],
    detector: FaceDetector,
    config: TrackerConfig | None = None,
    passed: Callable[[int], None] = lambda number: None,
) -> VideoFaces:
    """The faces of all `frames`: (1-based number, [height, width, 3] uint8 RGB), in order.

    Reads and detects ahead in threads of their own. Holds a bounded number of frames at a time,
    whatever the length of the video.

    Args:
        passed: called with the number of each frame that is done; may raise to stop.
    """
    waiting: deque[int] = deque()

    def images() -> Iterator[np.ndarray]:
        for number, image in frames:
            waiting.append(number)
            rows.size = np.array(image.shape[1::-1], np.int32)
            yield image

    rows, shown = _Rows(), array("i")
    tracker = FaceTracker(detector, config)
    with contextlib.closing(tracker.run(images(), ahead=True)) as found:
        for faces in found:
            shown.append(waiting.popleft())
            passed(shown[-1])
            for face in faces:
                rows.add(shown[-1], face)
            for back, face in tracker.earlier:
                rows.add(shown[-1 - back], face)
    return _close_gaps(rows.result(), np.array(shown, np.int32))


def _close_gaps(faces: VideoFaces, shown: np.ndarray) -> VideoFaces:
    """Linear interpolation over gaps of at most `_CLOSED_GAP` shown frames within a person."""
    place = np.searchsorted(shown, faces.frame)
    steps = np.diff(place)
    same = np.diff(faces.person) == 0
    starts = np.flatnonzero(same & (steps > 1) & (steps <= _CLOSED_GAP + 1))
    if not len(starts):
        return faces
    times = [np.arange(1, steps[start]) for start in starts]
    first = np.repeat(starts, [len(t) for t in times])
    offset = np.concatenate(times)
    share = (offset / steps[first]).astype(np.float32)

    def between(values: np.ndarray) -> np.ndarray:
        weight = share.reshape(-1, *[1] * (values.ndim - 1))
        line = (1 - weight) * values[first] + weight * values[first + 1]
        return np.concatenate([values, line.round(1)])

    person = np.concatenate([faces.person, faces.person[first]])
    frame = np.concatenate([faces.frame, shown[place[first] + offset]])
    order = np.lexsort((frame, person))
    detected = np.concatenate([faces.detected, np.zeros(len(first), bool)])
    return VideoFaces(
        person[order], frame[order], between(faces.box)[order],
        between(faces.landmarks)[order], detected[order], faces.size, faces.looks,
    )  # fmt: skip
