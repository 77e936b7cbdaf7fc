"""Answers as text: one CSV row or JSON line for each frame of the source and person."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

from kaffect.faces.reading import FaceReading
from kaffect.serving.outputs import LOGITS
from kaffect.serving.predict.people import FrameAnswer
from kaffect.serving.predictor import Predictor

BOX = ("left", "top", "right", "bottom")
READING = FaceReading._fields
FIXED = ("frame", "time", "face", "person", *BOX, "detection_score", "detected", *READING)
# Digits behind the point; the others have none, or are the network's.
_DIGITS = {"yaw": 1, "pitch": 1, "roll": 1, "face_size": 1, "blur": 3, "occlusion": 3}


def answer_columns(predictor: Predictor) -> tuple[str, ...]:
    """Columns that depend on the network: valence, arousal, expressions, Action Units, ..."""
    columns = predictor.export.manifest["columns"]
    found: list[str] = []
    for output in predictor.outputs:
        if output not in LOGITS and output in columns:
            found += columns[output]
        if output == "expression_probabilities":
            found.append("expression")
    return tuple(found)


def rows(answer: FrameAnswer, predictor: Predictor) -> Iterator[dict[str, Any]]:
    """One dictionary for each frame of the source and person; without a face, one that says so.

    `frame` counts from 1, `time` is in seconds, `box` in pixels of the frame.
    """
    for number, time in answer.frame.stands_for:
        head = {"frame": number, "time": round(time, 4)}
        if not answer.faces:
            yield {**head, "face": 0}
        for found in answer.faces:
            face = found.face
            yield {
                **head,
                "face": 1,
                "person": face.person,
                **dict(zip(BOX, (round(edge, 1) for edge in face.box))),
                "detection_score": round(face.score, 4),
                "detected": int(face.detected),
                **_reading(found.reading),
                **predictor.named(found.outputs),
            }


def _reading(reading: FaceReading | None) -> dict[str, float]:
    if reading is None:
        return {}
    return {name: round(value, _DIGITS[name]) for name, value in reading._asdict().items()}


class CsvTable:
    """Writes rows as CSV.

    Args:
        handle: text, opened for writing.
        columns: those of the network.
    """

    def __init__(self, handle: IO[str], columns: tuple[str, ...]) -> None:
        self._writer = csv.DictWriter(handle, (*FIXED, *columns), lineterminator="\n")
        self._writer.writeheader()

    def add(self, row: Mapping[str, Any]) -> None:
        """Numbers of the network with 6 digits behind the point; what is missing stays empty."""
        short = {k: f"{v:.6f}" if isinstance(v, float) and k not in FIXED else v
                 for k, v in row.items()}  # fmt: skip
        self._writer.writerow(short)


class JsonLines:
    """Writes rows as JSON lines; the network's numbers stand under `outputs`."""

    def __init__(self, handle: IO[str], columns: tuple[str, ...]) -> None:
        self._handle, self._columns = handle, columns

    def add(self, row: Mapping[str, Any]) -> None:
        """One line; `person`, `box` and `outputs` are null without a face."""
        face = bool(row["face"])
        line = {
            "frame": row["frame"],
            "time": row["time"],
            "face": face,
            "person": row.get("person"),
            "box": [row[edge] for edge in BOX] if face else None,
            "detection_score": row.get("detection_score"),
            **{name: row.get(name) for name in READING},
            "outputs": {name: row[name] for name in self._columns if name in row} or None,
        }
        self._handle.write(json.dumps(line, allow_nan=False) + "\n")
