"""Labels as Label Studio's JSON, and back (Section III-B): timeline labels of a video.

Label Studio counts frames from 1 and ranges include their last frame. A label is named
'AU1: present' or 'expression: Happiness'; valence and arousal, for which it has no
region, stand in the task's data, one number a frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kaffect.annotation.labels import Arrays, Codes
from kaffect.errors import ArtifactError, DatasetError
from kaffect.files import read_json
from kaffect.labels import VALENCE_AROUSAL

CONTROL, OBJECT = "labels", "video"


def to_task(film: str, arrays: Arrays, codes: Codes) -> dict[str, Any]:
    """One task with one annotation."""
    result = [
        {
            "id": f"{row}-{first + 1}",
            "type": "timelinelabels",
            "from_name": CONTROL,
            "to_name": OBJECT,
            "value": {
                "ranges": [{"start": first + 1, "end": last + 1}],
                "timelinelabels": [f"{row}: {word}"],
            },
        }
        for row, values in arrays.rows.items()
        for first, last, word in codes.runs(row, values)
    ]
    data: dict[str, Any] = {OBJECT: film, "frames": len(arrays.va)}
    for column, name in enumerate(VALENCE_AROUSAL):
        column_values = arrays.va[:, column].tolist()
        data[name] = [None if np.isnan(v) else round(v, 6) for v in column_values]
    return {"data": data, "annotations": [{"result": result}]}


def read_tasks(path: Path) -> dict[str, dict[str, Any]]:
    """Video name -> task of an export.

    Raises:
        DatasetError: not such an export.
    """
    try:
        tasks = read_json(path)
        return {Path(task["data"][OBJECT]).stem: task for task in tasks}
    except (ArtifactError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: not a Label Studio export of videos: {error}") from error


def from_task(path: Path, task: dict[str, Any], frames: int, codes: Codes) -> Arrays:
    """The labels of a task's first annotation.

    Raises:
        DatasetError: a label or range that does not fit the video.
    """
    arrays = Arrays(codes.words, frames)
    try:
        results = task["annotations"][0]["result"]
        for entry in results:
            if entry["type"] != "timelinelabels":
                continue
            for name in entry["value"]["timelinelabels"]:
                row, word = _named(path, name, codes)
                for part in entry["value"]["ranges"]:
                    first, last = _frames(path, part, frames)
                    arrays.rows[row][first : last + 1] = codes.code(row, word)
        for column, name in enumerate(VALENCE_AROUSAL):
            values = task["data"].get(name)
            if values is not None:
                numbers = [np.nan if v is None else float(v) for v in values]
                if len(numbers) != frames or (np.abs(np.nan_to_num(numbers)) > 1).any():
                    raise DatasetError(f"{path}: {name}: expected {frames} numbers from -1 to 1")
                arrays.va[:, column] = numbers
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: not timeline labels of a video: {error!r}") from error
    return arrays


def _named(path: Path, name: str, codes: Codes) -> tuple[str, str]:
    row, _, word = name.partition(": ")
    if not word:  # plain names of a labelling interface: AU1, Happiness
        row, word = (row, "present") if row in codes.words else ("expression", row)
    if word not in codes.words.get(row, ()):
        raise DatasetError(
            f"{path}: unknown label. Expected 'AU1: present' or the like. Received: {name[:40]!r}"
        )
    return row, word


def _frames(path: Path, part: dict[str, Any], frames: int) -> tuple[int, int]:
    first, last = int(part["start"]) - 1, int(part["end"]) - 1
    if not 0 <= first <= last < frames:
        raise DatasetError(
            f"{path}: frames {first + 1} to {last + 1} lie outside of the video, which has "
            f"{frames} frames"
        )
    return first, last
