"""The columns of the rows: written in order, and each explained in the documentation."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np

from kaffect.faces import TrackedFace
from kaffect.faces.reading import FaceReading
from kaffect.labels import ACTION_UNITS_12, EXPRESSIONS_8, VALENCE_AROUSAL
from kaffect.serving.predict.tables import FIXED, READING, CsvTable, JsonLines

ROW = {
    "frame": 3, "time": 0.1, "face": 1, "person": 0, "left": 1.0, "top": 2.0, "right": 3.0,
    "bottom": 4.0, "detection_score": 0.5, "detected": 1, "yaw": -12.3, "pitch": 4.0, "roll": 0.1,
    "face_size": 40.2, "blur": 0.125, "occlusion": 0.75, "valence": 0.1234567,
}  # fmt: skip


def test_one_row_as_csv_and_as_json() -> None:
    text = io.StringIO()
    CsvTable(text, ("valence",)).add(ROW)
    (row,) = csv.DictReader(io.StringIO(text.getvalue()))
    assert row["yaw"] == "-12.3" and row["blur"] == "0.125" and row["valence"] == "0.123457"
    assert tuple(row) == (*FIXED, "valence") == tuple(ROW)
    text = io.StringIO()
    lines = JsonLines(text, ("valence",))
    lines.add(ROW)
    lines.add({"frame": 4, "time": 0.2, "face": 0})
    full, empty = (json.loads(line) for line in text.getvalue().splitlines())
    assert {name: full[name] for name in READING} == {name: ROW[name] for name in READING}
    assert full["box"] == [1.0, 2.0, 3.0, 4.0] and full["outputs"] == {"valence": 0.1234567}
    assert all(empty[name] is None for name in (*READING, "box", "outputs", "person"))


def test_every_column_is_explained_with_its_unit() -> None:
    text = (Path(__file__).parents[3] / "docs" / "predict.md").read_text(encoding="utf-8")
    table = text[text.index("| column | unit | what |") :].split("\n\n")[0].splitlines()[2:]
    explained: set[str] = set()
    for line in table:
        names, unit, what = (cell.strip() for cell in line.strip("|").split("|"))
        assert unit and what
        explained |= set(re.findall(r"`(\w+)`", names))
    groups = {"AU1", "AU2", "Neutral", "Anger"}  # stand for the others of their kind
    assert groups <= explained
    network = {*VALENCE_AROUSAL, *EXPRESSIONS_8, *ACTION_UNITS_12, "expression", "fake"}
    assert set(FIXED) <= explained <= {*FIXED, *network}


def test_readings_are_rounded_to_what_they_know() -> None:
    from kaffect.serving.predict.people import FaceAnswer, FrameAnswer
    from kaffect.serving.predict.sources import SourceFrame
    from kaffect.serving.predict.tables import rows

    class Named:
        def named(self, outputs: object) -> dict[str, float]:
            return {"valence": 0.5}

    frame = SourceFrame(0, 0.0, np.zeros((1, 1, 3), np.uint8), True, ((1, 0.0), (2, 0.01)))
    face = TrackedFace(0, (0.0, 0.0, 9.0, 9.0), 1.0, None, True)
    reading = FaceReading(1.26, -2.34, 0.04, 9.123, 0.12345, 0.98765)
    answer = FrameAnswer(frame, (FaceAnswer(face, {}, reading),))
    first, second = rows(answer, Named())  # type: ignore[arg-type]
    assert [first[name] for name in READING] == [1.3, -2.3, 0.0, 9.1, 0.123, 0.988]
    assert (first["frame"], second["frame"]) == (1, 2) and second["valence"] == 0.5
