"""Labelled single images as a data set (for the user with AffectNet- or FER-like pictures).

    path,valence,arousal,expression,AU1,AU2,...,split,subject
    faces/0001.png,0.25,-0.5,Happiness,0,1,...,train,anna

`path` is relative to the image folder and cannot leave it. Every other column may be
absent and every cell empty: that label is then missing (-5 for valence and arousal,
-1 for the others mean the same). An expression is a name or a class number. The columns
`confidence` and `seed`, which generated faces have, are left aside.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaffect.data.annotations.columns import LabelColumns
from kaffect.data.annotations.numbers import NUMBER, read_text, shown
from kaffect.errors import AnnotationError, ConfigError, DatasetError, expected_received
from kaffect.files import safe_join
from kaffect.labels import (
    ACTION_UNIT_NAMES,
    LABEL_SPACES,
    MISSING_VALENCE_AROUSAL,
    SPLITS,
    TASKS,
    VALENCE_AROUSAL,
    LabelSpace,
)

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_OTHER_COLUMNS = ("path", *VALENCE_AROUSAL, "expression", "split", "subject")
# Of `kaffect generate --out`; they label nothing.
_ABOUT = ("confidence", "seed")
# Of the pictures for training, without a validation split in the file.
HELD_OUT = 0.1


@dataclass(frozen=True, eq=False)
class Stills(LabelColumns):
    """The rows of one split.

    Attributes, beside the labels:
        paths: checked files, below the image folder.
    """

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks with at least one label."""
        return tuple(task for task in TASKS if self.valid(task).any())


@dataclass(frozen=True, eq=False)
class StillSet:
    """What `read_stills` found: splits in the order train, validation, test, and the classes.

    Attributes:
        notes: what was decided where the file leaves it open, in sentences.
    """

    path: Path
    root: Path
    space: LabelSpace
    splits: dict[str, Stills]
    notes: tuple[str, ...]

    def names(self, split: str) -> tuple[str, ...]:
        """Paths of the pictures of one split, below `root`."""
        root = self.root.resolve()
        return tuple(path.relative_to(root).as_posix() for path in self.splits[split].paths)


def read_stills(
    path: str | Path, root: str | Path | None = None, *, space: str = "", hold_out: bool = True
) -> StillSet:
    """Read and check a list of labelled images; opens no image.

    Without a `split` column, or with one that names no validation pictures, every tenth
    training picture or so (by a hash of its path, or of its subject) is held out.

    Args:
        root: the image folder; by default the one that the file lies in.
        space: 'aff-wild' or 'aff-wild2'; by default the one that the columns and expressions fit:
            aff-wild2 with its 12 units or with the expression Other (7), else aff-wild.
        hold_out: False: pictures for training all stay there.

    Raises:
        AnnotationError: a line that is not as above, a picture twice, or not there.
        DatasetError: a path that leaves the folder, no picture for training, or a
            subject in two splits.
    """
    path = Path(path)
    root = Path(root) if root is not None else path.parent
    header, lines = _lines(path)
    label_space = _space(path, header, lines, space)
    rows = [_row(path, number, dict(zip(header, fields)), label_space, root)
            for number, fields in lines]  # fmt: skip
    _reject_repeats(path, rows)
    notes = _assign_splits(rows, hold_out)
    _reject_leaks(path, rows)
    splits = {}
    for split in SPLITS:
        chosen = [row for row in rows if row.split == split]
        if chosen:
            splits[split] = _stack(chosen, len(label_space.action_units))
    if "train" not in splits:
        raise DatasetError(f"{path}: no picture for training: every row has split validation/test")
    return StillSet(path, root, label_space, splits, notes)


@dataclass
class _Row:
    line: int
    path: Path
    name: str
    valence_arousal: tuple[float, float] | None
    expression: int | None
    units: list[int] | None
    split: str
    subject: str


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header's columns and the fields of each line, with its number."""
    try:
        text = read_text(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise AnnotationError(path, None, f"not UTF-8 text: {error}") from error
    reader = csv.reader(io.StringIO(text), strict=True)
    found: list[tuple[int, list[str]]] = []
    try:
        for fields in reader:
            if fields:
                found.append((reader.line_num, [field.strip() for field in fields]))
    except csv.Error as error:
        raise AnnotationError(path, reader.line_num, f"not comma-separated: {error}") from error
    if not found:
        raise AnnotationError(path, None, "expected a list of stills. Received: no text at all")
    (number, header), lines = found[0], found[1:]
    unknown = [n for n in header if n not in (*_OTHER_COLUMNS, *_ABOUT, *ACTION_UNIT_NAMES)]
    if "path" not in header or unknown or len(set(header)) < len(header):
        raise AnnotationError(
            path, number, "not the header of a list of stills. Expected path, then any of "
            f"{', '.join(_OTHER_COLUMNS[1:])} and Action Units such as AU1. Received: "
            f"{shown(','.join(header).encode())}"
        )  # fmt: skip
    if len({"valence", "arousal"} & set(header)) == 1:
        raise AnnotationError(path, number, "valence and arousal come together or not at all")
    if not lines:
        raise AnnotationError(path, number, "there is no picture after the header")
    for line, fields in lines:
        if len(fields) != len(header):
            raise AnnotationError(
                path, line, f"wrong number of fields. Expected {len(header)} ({','.join(header)}). "
                f"Received: {len(fields)}"
            )  # fmt: skip
    return header, lines


def _space(
    path: Path, header: list[str], lines: list[tuple[int, list[str]]], wanted: str
) -> LabelSpace:
    """The label space that the file fits; its Action Units are those of the header."""
    units = tuple(name for name in header if name in ACTION_UNIT_NAMES)
    if wanted and wanted not in LABEL_SPACES:
        raise ConfigError(expected_received("Unknown label space", tuple(LABEL_SPACES), wanted))
    if not wanted:
        place = header.index("expression") if "expression" in header else None
        other = place is not None and any(f[place] in ("Other", "7") for _, f in lines)
        wide = set(units) == set(LABEL_SPACES["aff-wild2"].action_units)
        wanted = "aff-wild2" if other or wide else "aff-wild"
    known = LABEL_SPACES[wanted]
    if not units or set(units) == set(known.action_units):
        return known
    return LabelSpace(f"{wanted}, own units", known.expressions, units)


def _row(path: Path, line: int, cells: dict[str, str], space: LabelSpace, root: Path) -> _Row:
    name = cells["path"]
    try:
        file = safe_join(root, name)
    except DatasetError as error:
        raise DatasetError(f"{path}:{line}: {error}") from error
    if file.suffix.lower() not in IMAGE_SUFFIXES or not file.is_file():
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise AnnotationError(
            path, line, f"no such picture. Expected a file ({kinds}) below {root}. "
            f"Received: {shown(name.encode())}"
        )  # fmt: skip
    split = cells.get("split", "")
    if split and split not in SPLITS:
        raise AnnotationError(path, line, expected_received("split", SPLITS, split))
    return _Row(
        line=line,
        path=file,
        name=name,
        valence_arousal=_valence_arousal(path, line, cells),
        expression=_expression(path, line, cells.get("expression", ""), space),
        units=_units(path, line, cells, space),
        split=split,
        subject=cells.get("subject", ""),
    )


def _valence_arousal(path: Path, line: int, cells: dict[str, str]) -> tuple[float, float] | None:
    texts = [cells.get(name, "") for name in VALENCE_AROUSAL]
    if not all(texts):
        return None
    values = []
    for name, text in zip(VALENCE_AROUSAL, texts):
        if not NUMBER.fullmatch(text):
            raise AnnotationError(path, line, expected_received(name, "a decimal number", text))
        values.append(float(text))
    if MISSING_VALENCE_AROUSAL in values:
        return None
    if any(not -1 <= value <= 1 for value in values):
        text = ",".join(texts)
        what = "valence and arousal must be in [-1, 1], or -5 (no label)"
        raise AnnotationError(path, line, f"{what}. Received: {text}")
    return values[0], values[1]


def _expression(path: Path, line: int, text: str, space: LabelSpace) -> int | None:
    if text in ("", "-1"):
        return None
    if text in space.expressions:
        return space.expressions.index(text)
    if text.isascii() and text.isdigit() and int(text) < len(space.expressions):
        return int(text)
    raise AnnotationError(
        path, line, f"expression: expected one of {', '.join(space.expressions)}, its number or -1 "
        f"(no label). Received: {shown(text.encode())}"
    )  # fmt: skip


def _units(path: Path, line: int, cells: dict[str, str], space: LabelSpace) -> list[int] | None:
    """0 and 1, or None: a row with a gap counts as without a label, as in the releases."""
    texts = [cells.get(name, "") for name in space.action_units]
    for name, text in zip(space.action_units, texts):
        if text not in ("", "-1", "0", "1"):
            accepted = "0, 1 or -1 (no label)"
            raise AnnotationError(path, line, expected_received(name, accepted, text))
    return [int(t) for t in texts] if all(t in ("0", "1") for t in texts) else None


def _reject_repeats(path: Path, rows: list[_Row]) -> None:
    seen: dict[Path, int] = {}
    for row in rows:
        other = seen.setdefault(row.path, row.line)
        if other != row.line:
            raise AnnotationError(path, row.line, f"the picture of line {other} again: {row.name}")


def _assign_splits(rows: list[_Row], hold_out: bool) -> tuple[str, ...]:
    """Fill in what the file leaves open; a function of paths and subjects alone."""
    for row in rows:
        row.split = row.split or "train"
    if not hold_out or any(row.split == "validation" for row in rows):
        return ()
    for row in rows:
        if row.split == "train":
            digest = hashlib.sha256((row.subject or row.name).encode()).digest()
            if int.from_bytes(digest[:8], "little") / 2**64 < HELD_OUT:
                row.split = "validation"
    return (
        f"no validation pictures in the list: about {HELD_OUT:.0%} of those for training are held "
        "out to choose the checkpoint",
    )


def _reject_leaks(path: Path, rows: list[_Row]) -> None:
    splits: dict[str, _Row] = {}
    for row in rows:
        other = splits.setdefault(row.subject, row) if row.subject else row
        if other.split != row.split:
            raise DatasetError(
                f"{path}:{row.line}: training and evaluation would share a person: subject "
                f"{row.subject!r} is in {row.split} and, line {other.line}, in {other.split}"
            )


def _stack(rows: list[_Row], units: int) -> Stills:
    va, expressions = np.zeros((len(rows), 2), np.float32), np.zeros(len(rows), np.int32)
    action_units = np.zeros((len(rows), units), np.int8)
    for place, row in enumerate(rows):
        va[place] = row.valence_arousal or 0
        expressions[place] = row.expression or 0
        action_units[place] = 0 if row.units is None else row.units
    return Stills(
        paths=tuple(row.path for row in rows),
        valence_arousal=va,
        va_valid=np.array([row.valence_arousal is not None for row in rows]),
        expression=expressions,
        expression_valid=np.array([row.expression is not None for row in rows]),
        action_units=action_units,
        au_valid=np.array([row.units is not None for row in rows]),
    )
