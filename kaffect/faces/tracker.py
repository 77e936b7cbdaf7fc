"""The same people through a video: detect now and then, follow in between (paper Section III-E).

The paper's videos show one or two people whose annotation is one file each; every
frame needs the box of the right one. Serves `kaffect data prepare` and prediction.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kaffect.background import in_background
from kaffect.data.video.media import MOST_WAITING_BYTES
from kaffect.errors import ConfigError
from kaffect.faces.appearance import Look
from kaffect.faces.detector import Detection, FaceDetector, check_frame, covered, overlap
from kaffect.faces.flow import FlowImage, follow, likeness, patch
from kaffect.faces.people import Person, TrackedFace, assign

# Frames that reading, and detecting, may be ahead of following; of large ones fewer.
_AHEAD = 96


@dataclass(frozen=True)
class TrackerConfig:
    """When to detect, doubt and forget; lengths of time in frames.

    Attributes:
        detect_every: frames between key frames, which always go to the detector.
        search_every: the same while no face is followed.
        retry: frames until the next detection when a face is in doubt between key frames;
            doubles with every detection that finds nothing.
        flow_side: frames are shrunk to this many pixels (longer side) for following.
        least_certainty: share of a face's points that must move together.
        least_likeness: correlation with the face at its last detection, below: doubt.
        strange: correlation below which a face that two detections do not find is given up.
        coast: longest time for which a face is followed though no detector sees it.
        confirm: detections that a new person needs, unless one of them is sure.
        patience: how long after a loss nearness alone is enough to be the same person.
        same_look: distance of colours (0 to 1) below which a face that appears anywhere
            and at any time is the same person again.
        remember: people that are kept in mind; who was lost longest ago is forgotten.
    """

    detect_every: int = 10
    search_every: int = 5
    retry: int = 3
    flow_side: int = 384
    least_certainty: float = 0.4
    least_likeness: float = 0.5
    strange: float = 0.3
    coast: int = 150
    confirm: int = 2
    patience: int = 45
    same_look: float = 0.35
    remember: int = 32

    def __post_init__(self) -> None:
        counts = ("detect_every", "search_every", "retry", "confirm", "remember")
        if min(getattr(self, name) for name in counts) < 1 or self.flow_side < 64:
            raise ConfigError(f"{', '.join(counts)} must be 1 or more, flow_side 64 or more")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def track_faces(
    frames: Iterable[np.ndarray], detector: FaceDetector, config: TrackerConfig | None = None
) -> Iterator[list[TrackedFace]]:
    """The faces of each frame of one video, by person; one list for every frame.

    >>> detector = create_detector("haar")
    >>> for faces in track_faces((f.image for f in VideoReader("talk.mp4")), detector):
    ...     for face in faces:
    ...         face.person, face.box

    Who is who: a face that leaves and comes back is the same person if it comes back
    where it was lost within `config.patience` frames, or looks alike (colours of head
    and clothes) at any time; else it is a new person. People who cross keep their
    numbers by motion and look. A frame without a face gives an empty list.

    Memory is constant: `detector.batch * config.detect_every` frames are held (the key
    frames among them go to the detector together), and answers come that much later.
    For an answer on each frame at once use `FaceTracker.update`.

    Args:
        frames: [height, width, 3] uint8 RGB each, in the order of time.
    """
    tracker = FaceTracker(detector, config)
    for faces in tracker.run(frames):
        yield [face for face in faces if face.confirmed]


class FaceTracker:
    """Follows the faces of one video, one frame at a time; same frames, same answers.

    What is remembered does not grow with the video. Start a new one for each video.
    """

    def __init__(self, detector: FaceDetector, config: TrackerConfig | None = None) -> None:
        self.detector, self.config = detector, config or TrackerConfig()
        self._frame = -1  # number of the frame at hand
        self._before: FlowImage | None = None
        self._followed: list[Person] = []
        self._lost: list[Person] = []
        self._numbers = itertools.count()
        self._last_detection = -(10**9)
        self._retry = self.config.retry
        self._history: deque[FlowImage] = deque(maxlen=self.config.search_every)
        # Of the last `update`: (frames back, face) of who was there before they were found.
        self.earlier: list[tuple[int, TrackedFace]] = []
        # Cascades and networks keep state while they detect.
        self._detecting = threading.Lock()

    def run(
        self, frames: Iterable[np.ndarray], *, ahead: bool = False
    ) -> Generator[list[TrackedFace], None, None]:
        """`update` over all frames; key frames go to the detector in batches.

        Args:
            frames: [height, width, 3] uint8 RGB each, in the order of time.
            ahead: read frames in one thread and detect in the key frames in another one, while
                this one follows. The answers are the same.
        """
        with contextlib.ExitStack() as threads:
            if ahead:
                frames = in_background(
                    frames, _AHEAD, lambda frame: frame.nbytes, MOST_WAITING_BYTES // 4
                )
                threads.enter_context(contextlib.closing(frames))
            known = self._with_key_frames(frames)
            if ahead:
                known = in_background(
                    known, _AHEAD, lambda pair: pair[0].nbytes, MOST_WAITING_BYTES // 2
                )
                threads.enter_context(contextlib.closing(known))
            for frame, detections in known:
                yield self.update(frame, detections)

    def _with_key_frames(
        self, frames: Iterable[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, list[Detection] | None]]:
        """All frames; the key frames with what the detector says."""
        step, frames, number = self.config.detect_every, iter(frames), self._frame + 1
        while chunk := self._chunk(frames, step):
            keys = range(-number % step, len(chunk), step)
            found = dict(zip(keys, self._detect([chunk[key] for key in keys])))
            number += len(chunk)
            for place in range(len(chunk)):
                yield chunk.popleft(), found.get(place)

    def _chunk(self, frames: Iterator[np.ndarray], step: int) -> deque[np.ndarray]:
        """Frames for one call of the detector; fewer where they are large."""
        chunk = deque(itertools.islice(frames, 1))
        if chunk:
            fits = MOST_WAITING_BYTES // max(1, chunk[0].nbytes * step)
            chunk += itertools.islice(frames, step * max(1, min(self.detector.batch, fits)) - 1)
        return chunk

    def _detect(self, frames: list[np.ndarray]) -> list[list[Detection]]:
        with self._detecting:
            return self.detector.detect(frames)

    def update(
        self, frame: np.ndarray, detections: list[Detection] | None = None
    ) -> list[TrackedFace]:
        """The faces of the next frame, by person; also those that are not confirmed yet.

        Args:
            frame: [height, width, 3] uint8 RGB.
            detections: what the detector says of this frame, if that is known already;
                by default it is asked when it is needed.
        """
        self._frame += 1
        self.earlier = []
        image = FlowImage.of(check_frame(frame), self.config.flow_side)
        self._follow(image)
        if detections is None and self._must_detect():
            (detections,) = self._detect([frame])
        if detections is not None:
            self._use_detections(frame, image, detections)
        self._before = image
        self._history.appendleft(image)
        return [person.face(self._frame) for person in sorted(self._followed, key=Person.order)]

    def _follow(self, image: FlowImage) -> None:
        """Move every followed face to where the optical flow says it went."""
        before = self._before
        if before is None or before.grey.shape != image.grey.shape:
            self._lose(self._followed)
            return
        motions = follow(before, image, [person.box for person in self._followed])
        for person, motion in zip(self._followed, motions):
            person.move(motion)
            alike = likeness(person.patch, patch(image, person.box))
            person.torn = motion.certainty < self.config.least_certainty
            person.doubted = person.torn or alike < self.config.least_likeness
            person.strange = alike < self.config.strange
        height, width = image.grey.shape
        frame_box = np.array([0, 0, width, height]) / image.factor
        self._lose([p for p in self._followed if p.outside(frame_box)])

    def _must_detect(self) -> bool:
        config, since = self.config, self._frame - self._last_detection
        if self._frame % config.detect_every == 0:
            return True
        if not self._followed:
            return since >= config.search_every
        doubted = any(p.doubted or not p.confirmed for p in self._followed) or self._crossing()
        return doubted and since >= self._retry

    def _crossing(self) -> bool:
        pairs = itertools.combinations(self._followed, 2)
        return any(overlap(a.box, b.box) > 0.1 for a, b in pairs)

    def _use_detections(
        self, frame: np.ndarray, image: FlowImage, detections: list[Detection]
    ) -> None:
        """Match people and detections."""
        self._last_detection = self._frame
        looks = [Look.of(image, np.asarray(d.box)) for d in detections]
        config = self.config
        matches = assign(
            self._followed, self._lost, detections, looks, self._frame,
            patience=config.patience, same_look=config.same_look,
        )  # fmt: skip
        taken = set()
        for person, place in matches:
            taken.add(place)
            self._meet(person, detections[place], looks[place], image)
            if person in self._lost:
                self._lost.remove(person)
                self._followed.append(person)
                self._follow_back(person, image)
        for place, detection in enumerate(detections):
            if place not in taken:
                self._welcome(detection, looks[place], image)
        missed = [p for p in self._followed if p.seen != self._frame and p.confirmed]
        for person in missed:
            left, top, right, bottom = person.box.tolist()
            with self._detecting:
                again = self.detector.detect_near(frame, (left, top, right, bottom))
            if again is None or overlap(again.box, person.box) < 0.4:
                continue
            if not self._claimed(again, person):
                self._meet(person, again, Look.of(image, np.asarray(again.box)), image)
        self._drop_unseen()
        unsure = any(p.seen != self._frame and p.doubted for p in self._followed)
        self._retry = min(2 * self._retry, self.config.detect_every) if unsure else (
            self.config.retry
        )  # fmt: skip

    def _claimed(self, detection: Detection, person: Person) -> bool:
        """Whether another person's face is at that place."""
        return any(
            overlap(detection.box, other.box) > 0.4 for other in self._followed if other != person
        )

    def _meet(self, person: Person, detection: Detection, look: Look, image: FlowImage) -> None:
        person.meet(detection, self._frame, look)
        person.patch = patch(image, person.box)
        if detection.score >= self.detector.sure or person.hits >= self.config.confirm:
            person.confirmed = True

    def _welcome(self, detection: Detection, look: Look, image: FlowImage) -> None:
        if any(overlap(detection.box, p.box) > 0.4 for p in self._followed):
            return  # a second box on a face that has its person
        person = Person(next(self._numbers), np.asarray(detection.box, np.float64), look)
        self._followed.append(person)
        self._meet(person, detection, look, image)
        self._follow_back(person, image)

    def _follow_back(self, person: Person, image: FlowImage) -> None:
        """Follow a person who was just found back through the frames since the last detection."""
        box, points, config = person.box, person.landmarks, self.config
        for back, before in enumerate(self._history, 1):
            if self._frame - back <= person.gone_since or before.grey.shape != image.grey.shape:
                return
            (motion,) = follow(image, before, [box])
            centre = (box[:2] + box[2:]) / 2
            box = motion.move(box.reshape(2, 2), centre).ravel()
            points = None if points is None else motion.move(points, centre)
            alike = likeness(person.patch, patch(before, box))
            if motion.certainty < config.least_certainty or alike < config.least_likeness:
                return
            left, top, right, bottom = box.tolist()
            face = TrackedFace(
                person.number, (left, top, right, bottom), person.score, points, False,
                person.confirmed,
            )  # fmt: skip
            self.earlier.append((back, face))
            image = before

    def _drop_unseen(self) -> None:
        """Lose the people whom neither the detector nor the flow can place."""
        gone = []
        for person in self._followed:
            if person.seen == self._frame:
                continue
            person.misses += person.strange
            hidden = person.doubted and any(
                covered(person.box, other.box) > 0.3 for other in self._followed if other != person
            )
            tired = self._frame - person.seen > self.config.coast
            if person.torn or hidden or tired or person.misses > 1 or not person.confirmed:
                gone.append(person)
        self._lose(gone)

    def _lose(self, people: list[Person]) -> None:
        gone = list(people)
        self._followed = [p for p in self._followed if p not in gone]
        for person in gone:
            if person.confirmed:
                person.lose(self._frame)
                self._lost.append(person)
        self._lost = self._lost[-self.config.remember :]
