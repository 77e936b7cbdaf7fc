"""A table of `kaffect predict` as a first proposal (paper Section III-B; the proposal is ours).

A proposal is shown beside a person's labels and never counted as theirs. Of several
people in a video the one in most frames is taken.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path

import numpy as np

from kaffect.annotation.copies import Copy
from kaffect.annotation.events import EXPRESSION, PRESENT
from kaffect.annotation.labels import Arrays, Codes
from kaffect.errors import DatasetError
from kaffect.labels import VALENCE_AROUSAL

MAX_BYTES = 1 << 30
_LIKELY = 0.5  # from this probability on a unit is proposed


def read_predictions(path: Path, copy: Copy, codes: Codes) -> Arrays:
    """The proposal for one video.

    Raises:
        DatasetError: not a table of `kaffect predict`, or of another video.
    """
    rows = _rows(path)
    people = Counter(row["person"] for row in rows if row.get("face") == "1")
    if not people:
        raise DatasetError(f"{path}: no row has a face")
    person = max(sorted(people), key=lambda name: people[name])
    count = len(copy.source_times)
    of_source = Arrays(codes.words, count)
    for line, row in enumerate(rows, 2):
        if row.get("person") == person and row.get("face") == "1":
            try:
                _put(of_source, row, codes)
            except (IndexError, KeyError, TypeError, ValueError) as error:
                raise DatasetError(
                    f"{path}:{line}: not a row for a video of {count} frames: {error}"
                ) from error
    arrays = Arrays(codes.words, copy.frames)
    for name, values in of_source.rows.items():
        arrays.rows[name] = values[copy.sources - 1]
    arrays.va = of_source.va[copy.sources - 1]
    return arrays


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetError(f"{path}: larger than {MAX_BYTES} bytes")
        with open(path, encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            if not {"frame", "face", "person"} <= set(reader.fieldnames or ()):
                raise DatasetError(f"{path}: not a table of `kaffect predict --out TABLE.csv`")
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error


def _put(arrays: Arrays, row: dict[str, str], codes: Codes) -> None:
    frame = int(row["frame"]) - 1
    if frame < 0:
        raise ValueError("frames count from 1")
    for unit in codes.space.action_units:
        if row.get(unit):
            likely = _number(row[unit], 0, 1) >= _LIKELY
            arrays.rows[unit][frame] = codes.code(unit, PRESENT) if likely else 0
    if row.get(EXPRESSION) in codes.space.expressions:
        arrays.rows[EXPRESSION][frame] = codes.code(EXPRESSION, row[EXPRESSION])
    for column, name in enumerate(VALENCE_AROUSAL):
        if row.get(name):
            arrays.va[frame, column] = np.clip(_number(row[name], -10, 10), -1, 1)


def _number(text: str, low: float, high: float) -> float:
    value = float(text)
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"expected a number from {low} to {high}")
    return value
