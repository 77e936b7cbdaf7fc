"""Decides which person in a video an annotation is about (paper Sections II-D and III-E).

An annotation file without boxes names a video, and a side where two people are
seen: `talk`, or `talk_left` and `talk_right`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from kaffect.data.discovery import SIDES
from kaffect.faces.detector import overlap
from kaffect.faces.tracker import TrackerConfig
from kaffect.faces.video_faces import VideoFaces

Boxes = Mapping[int, np.ndarray]
# The same threshold as the tracker, which recognises a returning person by the look alone.
_SAME_LOOK = TrackerConfig().same_look


def choose_people(
    tracks: Sequence[str], video: str, faces: VideoFaces, given: Mapping[str, Boxes]
) -> dict[str, tuple[int, ...]]:
    """Track -> the people (numbers in `faces`) that it is about; none where no person fits.

    * A track with boxes of its own: whose face lies in most of them.
    * `<video>_left`, `<video>_right`: of the two people who are seen most beside each other,
      the one further to that side, on average over the frames that show both. Nobody is joined
      to them: a wrong guess would give one person's labels to the other's face.
    * `<video>` beside only one of these: the other of the two. Alone: the person who is
      seen most (sum over the frames of the side of the face: long and near counts), with
      those who are never seen at the same time and look alike: a cut gave one person
      several numbers.

    Args:
        tracks: all annotated tracks of the video; `video`: its name without suffix.
        given: track -> box of each frame (1-based), for tracks that have a box file.
    """
    order = _by_presence(faces)
    main = _joined(order, faces)
    sides = _sides(faces, _pair(faces), main)
    chosen: dict[str, tuple[int, ...]] = {}
    for track in tracks:
        if track in given:
            chosen[track] = _inside(given[track], faces)
            continue
        side = next((s for s in SIDES if track == video + s), None)
        others = [s for s in SIDES if video + s in tracks]
        if side is None and len(others) == 1:
            side = SIDES[1 - SIDES.index(others[0])]
        chosen[track] = main if side is None else sides[SIDES.index(side)]
        if side is not None and len(order) == 1 and len(tracks) == 1:
            chosen[track] = main  # only one person: the annotation is about them
    return chosen


def _weights(faces: VideoFaces) -> np.ndarray:
    """[n] float: the side of each face in pixels."""
    weights: np.ndarray = np.sqrt(np.prod(faces.box[:, 2:] - faces.box[:, :2], axis=1).clip(0))
    return weights


def _by_presence(faces: VideoFaces) -> list[int]:
    """People, most seen first."""
    weight = np.bincount(faces.person, _weights(faces), minlength=faces.people)
    return sorted(range(faces.people), key=lambda person: (-weight[person], person))


def _joined(order: list[int], faces: VideoFaces) -> tuple[int, ...]:
    """The person who is seen most, with the numbers that they have elsewhere in the video."""
    if not order:
        return ()
    found = [order[0]]
    seen = set(faces.of(order[0]).frame.tolist())
    for person in order[1:]:
        frames = set(faces.of(person).frame.tolist())
        alike = min(faces.unlike(person, other) for other in found) < _SAME_LOOK
        if alike and not frames & seen:
            found.append(person)
            seen |= frames
    return tuple(found)


def _pair(faces: VideoFaces) -> tuple[int, int] | None:
    """The two people who are seen most in frames that show both; None where no frame does."""
    weights = _weights(faces)
    best, found = 0.0, None
    rows = {person: np.flatnonzero(faces.person == person) for person in range(faces.people)}
    for first, second in combinations(rows, 2):
        _, here, there = np.intersect1d(
            faces.frame[rows[first]], faces.frame[rows[second]], return_indices=True
        )
        shared = weights[rows[first][here]].sum() + weights[rows[second][there]].sum()
        if shared > best:
            best, found = float(shared), (first, second)
    return found


def _sides(
    faces: VideoFaces, pair: tuple[int, int] | None, main: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(who is on the left, who is on the right)."""
    if pair is None:
        if not main:
            return (), ()
        box = faces.joined(main).box
        left = float(np.mean(box[:, 0] + box[:, 2])) < faces.size[0]
        return (main, ()) if left else ((), main)
    first, second = (faces.of(person) for person in pair)
    both = np.intersect1d(first.frame, second.frame)
    across = [
        float(np.mean((f.box[:, 0] + f.box[:, 2])[np.isin(f.frame, both)])) for f in (first, second)
    ]
    ordered = pair if across[0] <= across[1] else pair[::-1]
    return (ordered[0],), (ordered[1],)


def _inside(boxes: Boxes, faces: VideoFaces) -> tuple[int, ...]:
    votes = np.zeros(faces.people, int)
    for person, frame, box in zip(faces.person, faces.frame.tolist(), faces.box):
        if frame in boxes:
            votes[person] += overlap(boxes[frame], box) >= 0.3
    return (int(np.argmax(votes)),) if votes.any() else ()
