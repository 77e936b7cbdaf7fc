"""A followed person, and the assignment of detections to people (paper Section III-E)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from kaffect.faces.appearance import Look
from kaffect.faces.detector import Detection, overlap
from kaffect.faces.flow import Motion

_NEVER = 1e6


@dataclass(frozen=True)
class TrackedFace:
    """A person's face in one frame.

    Attributes:
        person: the same number for the same person throughout the video, from 0 in the
            order of first appearance.
        box: (left, top, right, bottom) in pixels of the frame; may reach over its border.
        score: of the last detection, 0 to 1.
        landmarks: [5, 2] as `Detection.landmarks`, moved with the box between detections;
            None where the detector has none.
        detected: whether the detector saw it in this very frame (else: followed).
        confirmed: False until the person was detected often enough to be believed;
            `track_faces` leaves such faces out.
        look: of the person, so far.
    """

    person: int
    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray | None
    detected: bool
    confirmed: bool = True
    look: Look | None = field(default=None, compare=False)


@dataclass(eq=False)
class Person:
    """A person in the video.

    Attributes:
        number: from 0, in the order of first appearance.
        box: [4] where the face is, or was when it was lost.
        look: colours of head and clothes.
        patch: the face as it was at its last detection.
        velocity: [2] pixels a frame, smoothed.
        seen: frame of the last detection; `seen_box` and `seen_velocity` are of then.
        placed: frame of which `box` is, once the person is lost.
        gone_since: last frame in which the person was there, before the latest loss.
        misses: detector calls since then that found nothing where the face is not like itself.
        torn: the points of the face do not move together any more.
        doubted: torn, or the face does not look like itself; strange: not at all.
    """

    number: int
    box: np.ndarray
    look: Look
    patch: np.ndarray = field(default_factory=lambda: np.zeros(0))
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    score: float = 0.0
    landmarks: np.ndarray | None = None
    seen: int = -1
    seen_box: np.ndarray = field(default_factory=lambda: np.zeros(4))
    seen_velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    placed: int = -1
    gone_since: int = -1
    misses: int = 0
    hits: int = 0
    confirmed: bool = False
    torn: bool = False
    doubted: bool = False
    strange: bool = False

    def order(self) -> int:
        return self.number

    @property
    def centre(self) -> np.ndarray:
        """[2] float (x, y) in pixels."""
        return (self.box[:2] + self.box[2:]) / 2

    @property
    def size(self) -> float:
        """Geometric mean of width and height."""
        return float(np.sqrt(np.prod(self.box[2:] - self.box[:2])))

    def move(self, motion: Motion) -> None:
        centre = self.centre
        self.box = motion.move(self.box.reshape(2, 2), centre).ravel()
        if self.landmarks is not None:
            self.landmarks = motion.move(self.landmarks, centre)
        self.velocity = 0.8 * self.velocity + 0.2 * motion.shift

    def meet(self, detection: Detection, frame: int, look: Look) -> None:
        """Take the place of a detection; half of it where both nearly agree, against jitter."""
        box = np.asarray(detection.box, np.float64)
        known = self.hits > 0 and self.placed < 0
        share = 0.5 if known and overlap(self.box, box) > 0.5 else 1.0
        self.box = share * box + (1 - share) * self.box
        self.landmarks = detection.landmarks
        self.score, self.seen, self.hits = detection.score, frame, self.hits + 1
        self.look = self.look.blended(look)
        self.seen_box, self.seen_velocity = self.box, self.velocity
        self.torn = self.doubted = False
        self.placed, self.misses = -1, 0

    def lose(self, frame: int) -> None:
        """Remember where to search for the person: a doubted box may have followed another one."""
        self.gone_since = frame - 1
        self.placed = self.seen if self.doubted else frame
        if self.doubted:
            self.box, self.velocity = self.seen_box, self.seen_velocity

    def outside(self, frame_box: np.ndarray) -> bool:
        """Whether less than 30 % of the box is left in the frame.

        Args:
            frame_box: [4] float (0, 0, width, height) of the frame in pixels.
        """
        low = np.maximum(self.box[:2], frame_box[:2])
        high = np.minimum(self.box[2:], frame_box[2:])
        inside = np.prod(np.maximum(high - low, 0))
        return bool(inside < 0.3 * np.prod(self.box[2:] - self.box[:2]))

    def face(self, frame: int) -> TrackedFace:
        left, top, right, bottom = self.box.tolist()
        return TrackedFace(
            self.number, (left, top, right, bottom), self.score, self.landmarks,
            self.seen == frame, self.confirmed, self.look,
        )  # fmt: skip


def assign(
    followed: Sequence[Person],
    lost: Sequence[Person],
    detections: Sequence[Detection],
    looks: Sequence[Look],
    frame: int,
    *,
    patience: int,
    same_look: float,
) -> list[tuple[Person, int]]:
    """Pairs (person, number of the detection) with the least total cost.

    The cost of a followed person is the missing overlap plus the distance of looks; a
    lost one costs 1 more, so that it gets only what no followed person wants.

    Args:
        looks: of the detections, in their order.
        frame: number of the frame, from 0.
        patience, same_look: as in `TrackerConfig`.
    """
    people = [*followed, *lost]
    if not people or not detections:
        return []
    costs = np.full((len(people), len(detections)), _NEVER)
    for row, person in enumerate(people):
        for column, (detection, look) in enumerate(zip(detections, looks)):
            distance = person.look.distance(look)
            if row < len(followed):
                costs[row, column] = _followed_cost(person, detection, distance)
            else:
                costs[row, column] = _lost_cost(
                    person, detection, distance, frame, patience, same_look
                )
    pairs = zip(*linear_sum_assignment(costs))
    return [(people[row], int(column)) for row, column in pairs if costs[row, column] < _NEVER]


def _offset(person: Person, detection: Detection, shift: np.ndarray) -> tuple[float, float]:
    """Distance of centres and ratio of sizes (>= 1), in sizes of the face."""
    box = np.asarray(detection.box)
    away = np.linalg.norm((box[:2] + box[2:]) / 2 - person.centre - shift)
    size = float(np.sqrt(np.prod(box[2:] - box[:2])))
    return float(away) / person.size, max(size / person.size, person.size / size)


def _followed_cost(person: Person, detection: Detection, distance: float) -> float:
    shared = overlap(person.box, detection.box)
    away, ratio = _offset(person, detection, np.zeros(2))
    if shared < 0.2 and away > 0.6 or ratio > 2:
        return _NEVER
    return 1 - shared + distance


def _lost_cost(
    person: Person,
    detection: Detection,
    distance: float,
    frame: int,
    patience: int,
    same_look: float,
) -> float:
    gone = frame - person.placed
    away, ratio = _offset(person, detection, person.velocity * min(gone, patience))
    near = gone <= patience and away < 1 + 0.05 * gone and ratio < 2
    if distance < same_look or near and distance < 2 * same_look:
        return 2 + distance + min(away, 10) / 20
    return _NEVER
