"""One annotation file of any release -> arrays (paper Section III-C; Aff-Wild, ABAW).

Line i after the header (0-based) belongs to frame i + 1 of the video. Formats:

* VA: header `valence,arousal`; numbers in [-1, 1], or -5 for a frame without a label.
* EXPR: header of 7 names (ABAW-1/2) or 8 (ABAW-3 and later, with `Other`); a class
  number, or -1.
* AU: header of 8 names (ABAW-1/2) or 12 (ABAW-3 and later); 0, 1, or -1.
* original Aff-Wild: no header, one number a line, in a folder `valence` or `arousal`.

A mark in one field makes the whole frame invalid, and its other fields take the
mark as well: a valence whose arousal is missing cannot enter a CCC of both.
CRLF line ends, a UTF-8 byte order mark, spaces around a number and blank lines at the
end are accepted; a blank line before the end is not: it would shift every label behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    MISSING_VALENCE_AROUSAL,
    TASK_BY_NAME,
    TASK_OF_COLUMNS,
    VALENCE_AROUSAL,
    VALENCE_AROUSAL_RANGE,
)

_HEADER_LINES = {",".join(names).encode(): names for names in TASK_OF_COLUMNS}
_DTYPES = {"expression": np.int32, "au": np.int8}


@dataclass(frozen=True, eq=False)
class Annotation:
    """The labels of one track for one task.

    Attributes:
        task: 'va', 'expression', 'au', or 'valence' / 'arousal' (original Aff-Wild).
        columns: names of the classes (expression) or of the value columns (all others).
        values: [frames, 2] float64 in [-1, 1] (va), [frames, 1] float64 (valence, arousal),
            [frames, 1] int32 class numbers (expression), [frames, units] int8 0/1 (au);
            -5 or -1 throughout an invalid frame.
        valid: [frames] bool, False where the frame has no label.
        path: the file it was read from.
        last_line: of a list file, which names some frames only: the 1-based line of the last
            of them. None: there is a line for every frame.
    """

    task: str
    columns: tuple[str, ...]
    values: np.ndarray
    valid: np.ndarray
    path: Path
    last_line: int | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def partial(self) -> bool:
        """Whether it lists some frames only, so that the video may be longer."""
        return self.last_line is not None


@dataclass(frozen=True)
class LabelText:
    """The text of one annotation file, its format known and its numbers not yet read.

    Attributes:
        task, columns, path: as in `Annotation`.
        body: the lines of the frames, each with its line end.
        first_line: 1-based line of the first frame.
    """

    task: str
    columns: tuple[str, ...]
    path: Path
    body: bytes
    first_line: int

    @property
    def fields(self) -> tuple[str, ...]:
        return ("expression",) if self.task == "expression" else self.columns

    def parse(self) -> np.ndarray | None:
        """[frames, fields] numbers as written, or None where `faults` finds an error."""
        values = parse_rows(self.body, len(self.fields), labels=self.task in _DTYPES)
        if values is None or not _in_label_space(self.task, self.columns, values):
            return None
        return values

    def faults(self) -> Iterator[AnnotationError]:
        """An error for each bad line. Slow; this reader defines what is accepted."""
        names = self.fields
        for line, text in enumerate(self.body.removesuffix(b"\n").split(b"\n"), self.first_line):
            fields = text.split(b",")
            try:
                row = check_fields(self.path, line, fields, names)
            except AnnotationError as error:
                yield error
                continue
            for name, field, value in zip(names, fields, row):
                if not _in_label_space(self.task, self.columns, np.asarray([value])):
                    accepted = _accepted(self.task, self.columns)
                    problem = f"{name} must be {accepted} (no label). Received: {shown(field)}"
                    yield AnnotationError(self.path, line, problem, kind="range")
                    break

    def annotation(self, values: np.ndarray) -> Annotation:
        """The labels; a mark in one field becomes the mark of the whole frame.

        Args:
            values: [frames, fields] float64 as `parse` gives them, in the label space or marks;
                may be changed in place.
        """
        values = values.astype(_DTYPES.get(self.task, np.float64), copy=False)
        valid = (values != self.mark).all(axis=1)
        values[~valid] = self.mark
        return Annotation(self.task, self.columns, values, valid, self.path)

    @property
    def mark(self) -> float:
        """What stands for "no label"."""
        return _mark(self.task)


def open_text(path: Path, task: str | None = None) -> LabelText:
    """Read the text of a file and find out its format; see `read_annotations`.

    Raises:
        AnnotationError: not a file, a wrong header or task, no frame, too many lines.
    """
    data = read_text(path)
    found, columns, body, first_line = _split_header(path, data)
    if task is not None and found != task:
        problem = f"wrong kind of annotation. Expected {task!r} here. Received: {found!r}"
        raise AnnotationError(path, 1, problem, kind="task")
    if not body:
        raise AnnotationError(path, first_line, "a header, but no line for any frame", "empty")
    # A label line has at least two bytes: only long text can have too many lines.
    if len(body) > 2 * MAX_LINES and (lines := body.count(b"\n")) > MAX_LINES:
        problem = f"too many lines. Expected at most {MAX_LINES}. Received: {lines}"
        raise AnnotationError(path, first_line + MAX_LINES, problem)
    return LabelText(found, columns, path, body, first_line)


def _split_header(path: Path, data: bytes) -> tuple[str, tuple[str, ...], bytes, int]:
    """(task, columns, text of the frames, 1-based line of the first frame)."""
    end = data.index(b"\n")
    header = header_of(data[:end])
    columns = _HEADER_LINES.get(header)
    if columns is not None:
        return TASK_OF_COLUMNS[columns], columns, data[end + 1 :], 2
    folder = path.parent.name
    if folder in VALENCE_AROUSAL:
        return folder, (folder,), data, 1
    accepted = "; ".join(",".join(names) for names in TASK_OF_COLUMNS)
    raise AnnotationError(
        path, 1, f"wrong header. Expected one of: {accepted} (a file without header is accepted "
        f"in a folder 'valence' or 'arousal' only). Received: {shown(header)}", kind="header"
    )  # fmt: skip


def read_annotations(path: str | Path, task: str | None = None) -> Annotation:
    """Read one annotation file; the header (or the folder, where there is none) decides the format.

    Args:
        path: the file.
        task: the task that the file must be of, or None for any.

    Raises:
        AnnotationError: with path and 1-based line: not a file, a wrong header, a wrong
            number of fields, not a number, a number out of range, no frame, or more than
            10,000,000 lines.
    """
    text = open_text(Path(path), task)
    values = text.parse()
    if values is None:
        for error in text.faults():
            raise error
        # The slow reader, which defines the format, accepts it: its numbers count.
        lines = text.body.removesuffix(b"\n").split(b"\n")
        values = np.array([[float(field) for field in line.split(b",")] for line in lines])
    return text.annotation(values)


def write_annotations(path: str | Path, annotation: Annotation) -> None:
    """Write the text that `read_annotations` reads back as the same arrays.

    Raises:
        AnnotationError: `values` leave the label space, or a task without header is to
            be written outside of the folder that names it.
    """
    path = Path(path)
    task, values = annotation.task, np.asarray(annotation.values)
    if values.ndim != 2 or not len(values) or not _in_label_space(task, annotation.columns, values):
        raise AnnotationError(path, None, f"values outside the label space of {task!r}")
    lines = [] if task in VALENCE_AROUSAL else [",".join(annotation.columns)]
    if task in VALENCE_AROUSAL and path.parent.name != task:
        raise AnnotationError(
            path, None, f"a file without header must lie in a folder {task!r}. "
            f"Received: {path.parent.name!r}"
        )  # fmt: skip
    for row, valid in zip(values.tolist(), np.asarray(annotation.valid).tolist()):
        lines.append(",".join(write_number(v if valid else _mark(task)) for v in row))
    write_text(path, "\n".join(lines) + "\n")


def task_of(kind: str) -> str:
    """The task of a kind of annotation file: 'va' for 'valence' and 'arousal', else itself."""
    return "va" if kind in VALENCE_AROUSAL else kind


def _mark(task: str) -> float:
    return TASK_BY_NAME[task_of(task)].missing


def _in_label_space(task: str, columns: tuple[str, ...], values: np.ndarray) -> bool:
    if task in _DTYPES:
        mark, classes = _mark(task), len(columns) if task == "expression" else 2
        whole = values == np.floor(values)
        return bool((whole & (values >= mark) & (values < classes)).all())
    low, high = VALENCE_AROUSAL_RANGE
    inside = (values >= low) & (values <= high)
    return bool((inside | (values == MISSING_VALENCE_AROUSAL)).all())


def _accepted(task: str, columns: tuple[str, ...]) -> str:
    if task == "expression":
        return f"a class number in 0 to {len(columns) - 1}, or -1"
    return "0, 1, or -1" if task == "au" else "in [-1, 1], or -5"
