"""Multi-task list files: one row an image, all three tasks in it (ABAW-3 and later, s-Aff-Wild2).

Header `image,valence,arousal,expression,aus` (or with the names of the 12 units in the
place of `aus`), then rows such as `video/00001.jpg,-0.2,0.4,4,0,0,...` with 12 values after
the expression. Rows may stand in any order and be repeated. Missing labels are
-5 / -1 / -1, as in the one-task files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaffect.data.annotations.columns import LabelColumns
from kaffect.data.annotations.image_names import IMAGE, split_image_name, split_image_names
from kaffect.data.annotations.numbers import (
    MAX_LINES,
    check_fields,
    header_of,
    parse_rows,
    read_text,
    shown,
    write_number,
)
from kaffect.errors import AnnotationError
from kaffect.files import write_text
from kaffect.labels import (
    ACTION_UNITS_12,
    EXPRESSIONS_8,
    MISSING_ACTION_UNIT,
    MISSING_EXPRESSION,
    MISSING_VALENCE_AROUSAL,
    VALENCE_AROUSAL,
)

LIST_COLUMNS = ("image", *VALENCE_AROUSAL, "expression", *ACTION_UNITS_12)
# The header as the challenges' lists and submissions have it; it names no unit.
LIST_HEADER = ",".join((*LIST_COLUMNS[:4], "aus"))
LIST_HEADERS = (LIST_HEADER, ",".join(LIST_COLUMNS))
_ACCEPTED = ("in [-1, 1], or -5", "in [-1, 1], or -5", "in 0 to 7, or -1", "0, 1, or -1")


@dataclass(frozen=True, eq=False)
class AnnotationList(LabelColumns):
    """The labels of many tracks, sorted by track name and frame number; each frame once.

    Attributes, beside the labels (of 12 units; valence and arousal are float64 here):
        images: the names as written.
        tracks: [rows] str, the folder of each image.
        frames: [rows] int64, 1-based frame numbers.
        lines: [rows] int64, 1-based lines of the file.
        duplicates: how many repeated rows were merged.
        mixed: 1-based lines with a mark in one column of a task and a label in another; the
            frame has no label of that task.
    """

    images: tuple[str, ...]
    tracks: np.ndarray
    frames: np.ndarray
    lines: np.ndarray
    duplicates: int
    mixed: np.ndarray
    path: Path

    def __len__(self) -> int:
        return len(self.images)


def read_annotation_list(path: str | Path) -> AnnotationList:
    """Read a multi-task list file.

    Identical rows for one image are merged; rows that differ are an error.

    Raises:
        AnnotationError: with path and 1-based line, for any fault.
    """
    path = Path(path)
    data = read_text(path)
    header, _, body = data.partition(b"\n")
    if header_of(header) not in map(str.encode, LIST_HEADERS):
        accepted = "; ".join(LIST_HEADERS)
        problem = f"wrong header. Expected one of: {accepted}. Received: {shown(header)}"
        raise AnnotationError(path, 1, problem, kind="header")
    if not body:
        raise AnnotationError(path, 2, "a header, but no line for any image", kind="empty")
    lines = body.removesuffix(b"\n").split(b"\n")
    if len(lines) > MAX_LINES:
        problem = f"too many lines. Expected at most {MAX_LINES}. Received: {len(lines)}"
        raise AnnotationError(path, 2 + MAX_LINES, problem)
    names = [line.partition(b",")[0] for line in lines]
    values = _parse(lines)
    named = all(map(IMAGE.fullmatch, names))
    if values is None or not named or not _in_label_space(values):
        rows = [_read_row(path, number, text) for number, text in enumerate(lines, 2)]
        values = np.asarray(rows)
    tracks, frames = split_image_names(path, names)
    return _merge(path, lines, names, tracks, frames, values)


def write_annotation_list(path: str | Path, rows: AnnotationList) -> None:
    """Write the text that `read_annotation_list` reads back as the same arrays.

    Raises:
        AnnotationError: an image name or a value that could not be read back.
    """
    path = Path(path)
    columns = (rows.valence_arousal, rows.expression[:, None], rows.action_units)
    values = np.concatenate([np.asarray(c, np.float64) for c in columns], axis=1)
    split_image_names(path, [name.encode() for name in rows.images])
    if len(set(rows.images)) < len(rows.images) or not _in_label_space(values):
        raise AnnotationError(path, None, "values outside the label space, or an image twice")
    lines = [
        f"{name},{','.join(map(write_number, row))}"
        for name, row in zip(rows.images, _complete_marks(values).tolist())
    ]
    write_text(path, "\n".join([LIST_HEADER, *lines]) + "\n")


def _parse(lines: list[bytes]) -> np.ndarray | None:
    """All numbers by the fast parser, in two tables: decimals first, then labels."""
    parts = [line.split(b",", 3) for line in lines]
    if any(len(part) != 4 for part in parts):
        return None
    decimals = parse_rows(b"".join(b"%b,%b\n" % (p[1], p[2]) for p in parts), 2, labels=False)
    width = len(LIST_COLUMNS) - 3
    labels = parse_rows(b"".join(p[3] + b"\n" for p in parts), width, labels=True)
    if decimals is None or labels is None:
        return None
    return np.concatenate([decimals, labels], axis=1)


def _wrong(values: np.ndarray) -> np.ndarray:
    """[rows, columns] bool: where a number is outside the label space."""
    va, expression, units = values[:, :2], values[:, 2:3], values[:, 3:]
    wrong_va = ~((np.abs(va) <= 1) | (va == MISSING_VALENCE_AROUSAL))
    wrong_expression = ~((expression >= MISSING_EXPRESSION) & (expression < len(EXPRESSIONS_8)))
    wrong_expression |= expression != np.floor(expression)
    wrong_units = ~np.isin(units, (MISSING_ACTION_UNIT, 0, 1))
    return np.concatenate([wrong_va, wrong_expression, wrong_units], axis=1)


def _in_label_space(values: np.ndarray) -> bool:
    return not _wrong(values).any()


def list_faults(path: str | Path) -> Iterator[AnnotationError]:
    """An error for each row of a list file that is wrong by itself. Slow."""
    path = Path(path)
    lines = read_text(path).removesuffix(b"\n").split(b"\n")
    for number, text in enumerate(lines[1:], 2):
        try:
            _read_row(path, number, text)
        except AnnotationError as error:
            yield error


def _read_row(path: Path, number: int, text: bytes) -> list[float]:
    """Read one row. Slow; defines what is accepted."""
    name, *fields = text.split(b",")
    row = check_fields(path, number, fields, LIST_COLUMNS[1:])
    split_image_name(path, number, name)
    wrong = np.flatnonzero(_wrong(np.asarray([row]))[0])
    if wrong.size:
        column = int(wrong[0])
        accepted = _ACCEPTED[min(column, 3)]
        raise AnnotationError(
            path, number, f"{LIST_COLUMNS[column + 1]} must be {accepted} (no label). "
            f"Received: {shown(fields[column])}", kind="range"
        )  # fmt: skip
    return row


def _merge(
    path: Path,
    lines: list[bytes],
    names: list[bytes],
    tracks: np.ndarray,
    frames: np.ndarray,
    values: np.ndarray,
) -> AnnotationList:
    written, values = values, _complete_marks(values)
    order = np.lexsort((np.arange(len(frames)), frames, tracks))
    same = (tracks[order][1:] == tracks[order][:-1]) & (frames[order][1:] == frames[order][:-1])
    differs = same & (values[order][1:] != values[order][:-1]).any(axis=1)
    if differs.any():
        place = int(np.flatnonzero(differs)[0])
        first, second = int(order[place]), int(order[place + 1])
        raise AnnotationError(
            path, second + 2, f"{shown(names[second])} is labelled twice and differently; "
            f"the other row is line {first + 2}", kind="conflict"
        )  # fmt: skip
    keep = order[np.concatenate([[True], ~same])]
    va, expression, units = np.split(values[keep], [2, 3], axis=1)
    return AnnotationList(
        images=tuple(names[i].decode("utf-8") for i in keep),
        tracks=tracks[keep],
        frames=frames[keep],
        lines=keep + 2,
        valence_arousal=va,
        va_valid=va[:, 0] != MISSING_VALENCE_AROUSAL,
        expression=expression[:, 0].astype(np.int32),
        expression_valid=expression[:, 0] != MISSING_EXPRESSION,
        action_units=units.astype(np.int8),
        au_valid=units[:, 0] != MISSING_ACTION_UNIT,
        duplicates=len(lines) - len(keep),
        mixed=np.flatnonzero((written != values).any(axis=1)) + 2,
        path=path,
    )


def _complete_marks(values: np.ndarray) -> np.ndarray:
    """A mark in one column of a task becomes the mark of all its columns."""
    values = values.copy()
    values[(values[:, :2] == MISSING_VALENCE_AROUSAL).any(axis=1), :2] = MISSING_VALENCE_AROUSAL
    values[(values[:, 3:] == MISSING_ACTION_UNIT).any(axis=1), 3:] = MISSING_ACTION_UNIT
    return values
