"""Predictions as the challenges take them: one row for every frame (ABAW, paper Section II).

    image_location,valence,arousal                  video/00001.jpg,0.25,-0.5
    image_location,Neutral,Anger,...,Other          video/00001.jpg,4
    image_location,AU1,AU2,...,AU26                 video/00001.jpg,0,1,...,0
    image,valence,arousal,expression,aus            video/00001.jpg,0.25,-0.5,4,0,1,...,0

The last one is the multi-task layout; names of the 12 units in the place of `aus` are
read as well. Frames are counted from 1. A frame without a
face has a row as well, so -5 and -1 are rejected: a submission has no gaps. What is
written is read back as the same numbers, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaffect.data.annotations.image_names import image_name, split_image_names
from kaffect.data.annotations.lists import LIST_COLUMNS, LIST_HEADER, LIST_HEADERS
from kaffect.data.annotations.numbers import (
    MAX_LINES,
    check_fields,
    header_of,
    parse_rows,
    read_text,
    shown,
)
from kaffect.data.annotations.numbers import write_number as number
from kaffect.errors import AnnotationError, expected_received
from kaffect.files import atomic_write
from kaffect.labels import (
    ACTION_UNITS_12,
    EXPRESSIONS_8,
    TASK_OF_COLUMNS,
    VALENCE_AROUSAL,
)

_COLUMNS: dict[tuple[str, ...], str] = {**TASK_OF_COLUMNS, LIST_COLUMNS[1:]: "all"}
_DTYPES = {"va": np.float64, "all": np.float64, "expression": np.int32, "au": np.int8}


@dataclass(frozen=True, eq=False)
class Submission:
    """Predictions for frames of many tracks, in the order of the file.

    Attributes:
        task: 'va', 'expression', 'au' or 'all' (multi-task).
        columns: the header after the image column (class names for 'expression').
        tracks: [rows] str, the folder of each image; frames: [rows] int64, 1-based.
        values: [rows, 2] float64 in [-1, 1] (va), [rows, 1] int32 class numbers
            (expression), [rows, units] int8 0/1 (au), or [rows, 3 + units] float64 (all).
    """

    task: str
    columns: tuple[str, ...]
    tracks: np.ndarray
    frames: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    @classmethod
    def of_tracks(
        cls, task: str, columns: tuple[str, ...], predictions: Mapping[str, np.ndarray]
    ) -> Submission:
        """Predictions for every frame of each track: row i of an array is frame i + 1.

        Args:
            predictions: track name -> values as in the attribute `values`, [frames, width]
                ([frames] for 'expression').
        """
        arrays = [np.asarray(v).reshape(len(v), -1) for v in predictions.values()]
        counts = [len(array) for array in arrays]
        frames = [np.arange(1, count + 1, dtype=np.int64) for count in counts]
        return cls(
            task,
            tuple(columns),
            np.repeat(np.array(list(predictions), np.str_), counts),
            np.concatenate(frames) if frames else np.zeros(0, np.int64),
            np.concatenate(arrays) if arrays else np.zeros((0, _width(task, columns))),
        )

    def of_track(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Frames [rows] int64, ascending, and values [rows, width] of one track."""
        rows = np.flatnonzero(self.tracks == name)
        rows = rows[np.argsort(self.frames[rows], kind="stable")]
        return self.frames[rows], self.values[rows]

    def incomplete(self, frames: Mapping[str, int] | None = None) -> list[str]:
        """One sentence for each track with missing or surplus rows; empty where all are there.

        Args:
            frames: track -> its number of frames; None: every track from 1 to its last row.
        """
        names = sorted(set(self.tracks.tolist()) | set(frames or ()))
        found = []
        for name in names:
            have = self.of_track(name)[0]
            if frames is not None and name not in frames:
                found.append(f"{name}: {len(have)} rows, but no such track was asked for")
                continue
            count = frames[name] if frames is not None else int(have.max(initial=0))
            missing = np.setdiff1d(np.arange(1, count + 1), have)
            surplus = np.setdiff1d(have, np.arange(1, count + 1))
            if missing.size:
                found.append(
                    f"{name}: {missing.size} of {count} frames are missing, first {missing[0]}"
                )
            if surplus.size:
                found.append(f"{name}: frame {surplus[0]}, but the track has {count} frames")
        return found


def _width(task: str, columns: tuple[str, ...]) -> int:
    return 1 if task == "expression" else len(columns)


def _header(task: str, columns: tuple[str, ...]) -> str:
    return LIST_HEADER if task == "all" else ",".join(("image_location", *columns))


def write_submission(path: str | Path, submission: Submission) -> None:
    """Write the rows of `submission` in its order.

    Raises:
        AnnotationError: unknown columns, a value outside the label space (valence and
            arousal are not clipped here), a frame twice, or a name that cannot be read back.
    """
    path = Path(path)
    task, columns = submission.task, tuple(submission.columns)
    if _COLUMNS.get(columns) != task:
        raise AnnotationError(path, None, f"no {task!r} submission has the columns {columns}")
    values = np.asarray(submission.values)
    if values.shape != (len(submission), _width(task, columns)):
        expected = (len(submission), _width(task, columns))
        raise AnnotationError(path, None, expected_received("Values", expected, values.shape))
    names = [
        image_name(track, frame)
        for track, frame in zip(submission.tracks.tolist(), submission.frames.tolist())
    ]
    split_image_names(path, [name.encode() for name in names])
    _check(path, task, columns, names, values)
    with atomic_write(path) as handle:
        handle.write(_header(task, columns) + "\n")
        for name, row in zip(names, values.tolist()):
            handle.write(f"{name},{','.join(map(number, row))}\n")


def read_submission(
    path: str | Path, task: str | None = None, frames: Mapping[str, int] | None = None
) -> Submission:
    """Read a submission; rows may stand in any order, each frame once.

    Args:
        task: the task that it must be of, or None for any.
        frames: track -> number of frames, where every frame must have its row.

    Raises:
        AnnotationError: with path and 1-based line; also where a row is missing.
    """
    path = Path(path)
    header, _, body = read_text(path).partition(b"\n")
    found, columns = _read_header(path, header)
    if task is not None and found != task:
        raise AnnotationError(path, 1, expected_received("wrong kind of submission", task, found))
    lines = body.removesuffix(b"\n").split(b"\n") if body else []
    if not 0 < len(lines) <= MAX_LINES:
        problem = expected_received("number of rows", f"1 to {MAX_LINES}", len(lines))
        raise AnnotationError(path, 2, problem)
    parts = [line.partition(b",") for line in lines]
    values = _parse(path, found, columns, [part[2] for part in parts])
    names = [part[0] for part in parts]
    tracks, numbers = split_image_names(path, names)
    _check(path, found, columns, [name.decode() for name in names], values, tracks, numbers)
    submission = Submission(found, columns, tracks, numbers, values.astype(_DTYPES[found]))
    gaps = submission.incomplete(frames) if frames is not None else []
    if gaps:
        raise AnnotationError(path, None, "not one row for every frame: " + "; ".join(gaps[:5]))
    return submission


def _read_header(path: Path, header: bytes) -> tuple[str, tuple[str, ...]]:
    known = {_header(task, columns): (task, columns) for columns, task in _COLUMNS.items()}
    known |= {text: ("all", LIST_COLUMNS[1:]) for text in LIST_HEADERS}
    for text, found in known.items():
        if header_of(header) == text.encode():
            return found
    accepted = "; ".join(known)
    raise AnnotationError(
        path, 1, f"wrong header. Expected one of: {accepted}. Received: {shown(header)}"
    )


def _parse(path: Path, task: str, columns: tuple[str, ...], fields: list[bytes]) -> np.ndarray:
    width = _width(task, columns)
    values = parse_rows(b"\n".join(fields) + b"\n", width, labels=task in ("expression", "au"))
    if values is not None:
        return values
    names = ("expression",) if task == "expression" else columns
    rows = [
        check_fields(path, line, text.split(b",") if text else [], names)
        for line, text in enumerate(fields, 2)
    ]
    return np.array(rows)


def _check(
    path: Path,
    task: str,
    columns: tuple[str, ...],
    names: list[str],
    values: np.ndarray,
    tracks: np.ndarray | None = None,
    frames: np.ndarray | None = None,
) -> None:
    """Every value within the label space, without marks, and every frame once."""
    wrong = ~_accepted(task, columns, np.asarray(values, np.float64))
    if wrong.any():
        row, column = (int(n) for n in np.argwhere(wrong)[0])
        raise AnnotationError(
            path, row + 2, "valence and arousal must be in [-1, 1], expressions class numbers and "
            "Action Units 0 or 1, each frame with a prediction. "
            f"Received: {number(values[row, column].item())} for {names[row]}"
        )  # fmt: skip
    keys: list[object] = list(names)
    if tracks is not None and frames is not None:  # v/1.jpg and v/00001.jpg are one frame
        keys = list(zip(tracks.tolist(), frames.tolist()))
    seen: dict[object, int] = {}
    for line, key in enumerate(keys, 2):
        if (other := seen.setdefault(key, line)) != line:
            raise AnnotationError(
                path, line, f"a second row for {names[line - 2]}; the other is line {other}"
            )


def _accepted(task: str, columns: tuple[str, ...], values: np.ndarray) -> np.ndarray:
    """[rows, width] bool; NaN is nowhere accepted."""
    if task == "va":
        return np.abs(values) <= 1
    whole = values == np.floor(values)
    if task == "expression":
        return whole & (values >= 0) & (values < len(columns))
    if task == "au":
        return (values == 0) | (values == 1)
    return np.concatenate(
        [
            _accepted("va", VALENCE_AROUSAL, values[:, :2]),
            _accepted("expression", EXPRESSIONS_8, values[:, 2:3]),
            _accepted("au", ACTION_UNITS_12, values[:, 3:]),
        ],
        axis=1,
    )
