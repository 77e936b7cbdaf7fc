"""The labels of one track, wherever its release keeps them (paper Section II).

One file a task (ABAW), one file for valence and one for arousal (original Aff-Wild), or
rows of a multi-task list: row and line i always become labels of frame i + 1.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kaffect.data.annotations.files import Annotation, read_annotations
from kaffect.data.annotations.lists import AnnotationList, read_annotation_list
from kaffect.data.discovery import LIST
from kaffect.errors import AnnotationError
from kaffect.labels import (
    ACTION_UNITS_12,
    EXPRESSIONS_8,
    MISSING_VALENCE_AROUSAL,
    TASK_BY_NAME,
    TASKS,
    VALENCE_AROUSAL,
)


def read_track_labels(
    name: str, files: Mapping[str, Path], video: Path | None = None
) -> dict[str, Annotation]:
    """Task ('va', 'expression', 'au') -> labels.

    Args:
        name: of the track.
        files: task, 'valence', 'arousal' or 'list' -> file.
        video: its file, which bounds the frames that a list may name.

    Raises:
        AnnotationError: a file cannot be read, valence and arousal differ in length, or a
            row is of a frame that the video cannot have.
    """
    if LIST in files:
        rows = open_list(files[LIST])
        if video is not None and (error := beyond_video(rows, name, video)) is not None:
            raise error
        return list_labels(rows, name)
    found = {task: read_annotations(path, task=task) for task, path in sorted(files.items())}
    if "valence" in found:
        pair = [found.pop(part) for part in VALENCE_AROUSAL]
        found["va"] = join_valence_arousal(*pair)
    return {task: found[task] for task in TASKS if task in found}


def join_valence_arousal(valence: Annotation, arousal: Annotation) -> Annotation:
    """One 'va' annotation of two files of original Aff-Wild.

    Raises:
        AnnotationError: they have different numbers of lines.
    """
    if len(valence) != len(arousal):
        shorter = min(valence, arousal, key=len)
        longer = max(valence, arousal, key=len)
        raise AnnotationError(
            shorter.path, len(shorter), f"the last line, for frame {len(shorter)}, but "
            f"{longer.path} has lines for {len(longer)} frames. Expected equal numbers"
        )  # fmt: skip
    values = np.concatenate([valence.values, arousal.values], axis=1)
    valid = valence.valid & arousal.valid
    values[~valid] = MISSING_VALENCE_AROUSAL
    return Annotation("va", VALENCE_AROUSAL, values, valid, valence.path)


def open_list(path: Path) -> AnnotationList:
    """Read a list file; cached while the file does not change, because it holds many tracks."""
    try:
        status = path.stat()
    except OSError:
        return read_annotation_list(path)
    return _read_list(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4)
def _read_list(path: Path, changed: int, size: int) -> AnnotationList:
    return read_annotation_list(path)


def labelled_tracks(rows: AnnotationList) -> list[str]:
    """The tracks of a list file that have a label of any task, sorted."""
    return [str(name) for name in np.unique(rows.tracks[rows.labelled()])]


def beyond_video(rows: AnnotationList, track: str, video: Path) -> AnnotationError | None:
    """The first row of `track` for a frame that its video cannot have, or None."""
    from kaffect.data.video.lengths import most_frames, tolerated

    here = np.flatnonzero(rows.tracks == track)
    if not len(here):
        return None
    most = most_frames(video, int(rows.frames[here[-1]]))
    beyond = here[rows.frames[here] > most + tolerated(most)]
    if not len(beyond):
        return None
    row = int(beyond[0])
    return AnnotationError(
        rows.path, int(rows.lines[row]), f"a row for frame {rows.frames[row]} of {track!r}, but "
        f"{video} holds at most {most} frames", kind="past-end"
    )  # fmt: skip


def list_labels(rows: AnnotationList, track: str) -> dict[str, Annotation]:
    """The labels of one track of a list file; a frame without a row has no label.

    The row of image 00005.jpg becomes the label of frame 5, values[4].
    """
    here = np.flatnonzero(rows.tracks == track)
    places = rows.frames[here] - 1
    frames = int(places.max(initial=-1)) + 1
    columns = {"va": VALENCE_AROUSAL, "expression": EXPRESSIONS_8, "au": ACTION_UNITS_12}
    last_line = int(rows.lines[here[-1]]) if len(here) else None
    found = {}
    for task, names in columns.items():
        source, source_valid = rows.values(task)[here], rows.valid(task)[here]
        if not source_valid.any():
            continue
        values = np.full((frames, *source.shape[1:]), TASK_BY_NAME[task].missing, source.dtype)
        valid = np.zeros(frames, bool)
        values[places], valid[places] = source, source_valid
        values = values.reshape(frames, -1)
        found[task] = Annotation(task, names, values, valid, rows.path, last_line)
    return found
