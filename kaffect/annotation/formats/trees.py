"""Labels of a data tree, in any spelling of the releases, for a project (paper Section III)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from kaffect.annotation.copies import Copy
from kaffect.annotation.events import EXPRESSION
from kaffect.annotation.labels import Arrays, Codes
from kaffect.data.annotations.files import Annotation
from kaffect.data.discovery import find_label_files
from kaffect.data.track_labels import read_track_labels
from kaffect.data.tree import files_of_tracks, usable_files
from kaffect.errors import DatasetError


def read_tree(root: Path, copies: dict[str, Copy], codes: Codes) -> dict[str, Arrays]:
    """Video -> the labels that the tree has of it.

    A file has a line for each frame of the copy or, where that number differs, for each
    frame of the source, whose labels come to the frames of the copy that show them.

    Raises:
        DatasetError: no video of the project is in the tree, other classes, or a number of
            lines that is neither.
        AnnotationError: a file cannot be read.
    """
    files: dict[str, dict[str, Path]] = defaultdict(dict)
    found, _ = usable_files(find_label_files(root))
    for track, entries in files_of_tracks(found).items():
        for (task, _split), path in entries.items():
            files[track][task] = path
    wanted = sorted(set(files) & set(copies))
    if not wanted:
        raise DatasetError(f"{root}: has labels of no video of this project")
    result = {}
    for name in wanted:
        arrays = Arrays(codes.words, copies[name].frames)
        for annotation in read_track_labels(name, files[name]).values():
            _put(arrays, annotation, copies[name], codes)
        result[name] = arrays
    return result


def _put(arrays: Arrays, annotation: Annotation, copy: Copy, codes: Codes) -> None:
    values, valid = annotation.values, annotation.valid
    if annotation.partial and len(values) < copy.frames:
        rows = copy.frames - len(values)
        values = np.concatenate([values, np.zeros((rows, values.shape[1]), values.dtype)])
        valid = np.concatenate([valid, np.zeros(rows, bool)])
    if len(values) != copy.frames:
        if len(values) != len(copy.source_times):
            raise DatasetError(
                f"{annotation.path}: has lines for {len(values)} frames. Expected "
                f"{copy.frames} (of the copy) or {len(copy.source_times)} (of the source)"
            )
        values, valid = values[copy.sources - 1], valid[copy.sources - 1]
    if annotation.task == "va":
        arrays.va[valid] = values[valid]
        return
    space = codes.space
    expected = space.expressions if annotation.task == "expression" else space.action_units
    if annotation.columns != expected:
        raise DatasetError(
            f"{annotation.path}: other classes than the project's ({space.name}): "
            f"{', '.join(annotation.columns)}"
        )
    if annotation.task == "expression":
        arrays.rows[EXPRESSION][valid] = values[valid, 0]
    else:
        for column, unit in enumerate(expected):
            arrays.rows[unit][valid] = values[valid, column]
