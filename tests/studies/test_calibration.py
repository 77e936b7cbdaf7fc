"""Calibration of a scored row: the labelled frames alone, and the temperature of validation."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kaffect.metrics.calibration import best_temperature, expected_calibration_error
from kaffect.studies.calibration import calibration_note, calibration_of
from tests.studies.test_clusters import split  # noqa: F401 - a fixture


def test_the_temperature_is_of_validation_and_the_errors_of_the_scored_frames(
    split: SimpleNamespace,  # noqa: F811
) -> None:
    index, answers, labels = split.index, split.answers, split.scoring
    # Validation: the same frames, answered as their labels say most of the time.
    sure = {"expression_logits": np.zeros_like(answers["expression_logits"])}
    rng = np.random.default_rng(0)
    said = np.where(rng.random(len(labels.row)) < 0.7, labels.expression, rng.integers(0, 5))
    sure["expression_logits"][labels.row, np.clip(said, 0, 4)] = 8.0
    found = calibration_of(index, answers, index, sure)
    own = labels.expression_valid
    assert 0 < own.sum() < len(own), "some frames have no label"
    truth, row = labels.expression[own], labels.row[own]
    wanted = best_temperature(truth, sure["expression_logits"][row])
    assert found["temperature"] == pytest.approx(wanted, abs=1e-5)
    logits = answers["expression_logits"][row]
    assert found["ece"] == pytest.approx(expected_calibration_error(truth, logits), abs=1e-5)
    after = expected_calibration_error(truth, logits / wanted)
    assert found["ece_scaled"] == pytest.approx(after, abs=1e-5) and after != found["ece"]
    assert sum(found["before"]["count"]) == own.sum()


def test_the_note_has_each_row() -> None:
    own = {"temperature": 1.618, "ece": 0.1234, "ece_scaled": 0.0456}
    records = [{"row": "constant"}, {"row": 2, "seed": 1, "calibration": own}]
    (note,) = calibration_note(records)
    assert "row 2, seed 1: 0.123, 0.046 (T 1.62)" in note
    assert calibration_note(records[:1]) == []


@pytest.mark.parametrize("table", ["finished_framewise", "finished"])
def test_a_table_has_it_in_record_details_and_report(
    table: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(table)[1]
    lines = next(folder.glob("*.jsonl")).read_text().splitlines()
    record = next(r for r in map(json.loads, lines) if isinstance(r["row"], int))
    details = json.loads((folder / record["details"]).read_text())["calibration"]
    assert record["calibration"].items() <= details.items() and record["calibration"]
    assert f"(T {details['temperature']:.2f})" in next(folder.glob("table_*.md")).read_text()
