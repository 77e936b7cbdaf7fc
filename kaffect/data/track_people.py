"""Which of the people in a video an annotation is about (paper Sections II-D and III-E).

An annotation file without boxes names a video, and a side where two people are
seen: `talk`, or `talk_left` and `talk_right`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kaffect.data.detection.detector import overlap
from kaffect.data.detection.video_faces import VideoFaces

Boxes = Mapping[int, np.ndarray]
SIDES = ("_left", "_right")


def choose_people(
    tracks: Sequence[str], video: str, faces: VideoFaces, given: Mapping[str, Boxes]
) -> dict[str, int | None]:
    """Track -> the person (number in `faces`) that it is about, or None where nobody fits.

    * A track with boxes of its own: whose face lies in most of them.
    * `<video>_left`, `<video>_right`: of the two people who are seen most, the one further
      to that side, on average over the frames that show both.
    * `<video>` beside only one of these: the other of the two. Alone: the person who is
      seen most (sum over the frames of the side of the face: long and near counts).

    Args:
        tracks: all annotated tracks of the video; `video`: its name without suffix.
        given: track -> box of each frame (1-based), for tracks that have a box file.
    """
    order = _by_presence(faces)
    sides = _sides(faces, order[:2])
    chosen: dict[str, int | None] = {}
    for track in tracks:
        if track in given:
            chosen[track] = _inside(given[track], faces)
            continue
        side = next((s for s in SIDES if track == video + s), None)
        others = [s for s in SIDES if video + s in tracks]
        if side is None and len(others) == 1:
            side = SIDES[1 - SIDES.index(others[0])]
        main = order[0] if order else None
        chosen[track] = main if side is None else sides[SIDES.index(side)]
        if side is not None and len(order) == 1 and len(tracks) == 1:
            chosen[track] = main  # only one person: the annotation is about them
    return chosen


def _by_presence(faces: VideoFaces) -> list[int]:
    """People, most seen first."""
    sides = np.sqrt(np.prod(faces.box[:, 2:] - faces.box[:, :2], axis=1).clip(0))
    weight = np.bincount(faces.person, sides, minlength=faces.people)
    return sorted(range(faces.people), key=lambda person: (-weight[person], person))


def _sides(faces: VideoFaces, pair: list[int]) -> tuple[int | None, int | None]:
    """(who is on the left, who is on the right)."""
    if not pair:
        return None, None
    seen = [faces.of(person) for person in pair]
    across = [(f.box[:, 0] + f.box[:, 2]) / 2 for f in seen]
    if len(pair) == 1:
        left = float(np.mean(across[0])) < faces.size[0] / 2
        return (pair[0], None) if left else (None, pair[0])
    both = np.intersect1d(seen[0].frame, seen[1].frame)
    if len(both):
        across = [x[np.isin(f.frame, both)] for x, f in zip(across, seen)]
    first, second = (float(np.mean(x)) for x in across)
    return (pair[0], pair[1]) if first <= second else (pair[1], pair[0])


def _inside(boxes: Boxes, faces: VideoFaces) -> int | None:
    votes = np.zeros(faces.people, int)
    for person, frame, box in zip(faces.person, faces.frame.tolist(), faces.box):
        if frame in boxes:
            votes[person] += overlap(boxes[frame], box) >= 0.3
    return int(np.argmax(votes)) if votes.any() else None
