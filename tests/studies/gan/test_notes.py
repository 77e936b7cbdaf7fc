"""Notes under Table IX: quality over seeds and alarms."""

from __future__ import annotations

import pytest

from kaffect.studies.gan import notes

pytestmark = pytest.mark.precision


def _run(row: int, seed: int, fid: float, alarms: tuple[str, ...] = ()) -> dict:
    figures = {"fid": fid, "kid": 0.1, "precision": 0.5, "recall": 0.25}
    quality = {**figures, "faces": 100, "real_faces": {**figures, "fid": 1.0}}
    shared = {"row": row, "seed": seed, "scored_split": "test"}
    return {**shared, "quality": quality, "alarms": list(alarms)}


def test_quality_notes_average_over_seeds_and_take_the_newest_run() -> None:
    records = [_run(4, 0, 99.0), _run(4, 0, 10.0), _run(4, 1, 14.0), {"row": "constant", "seed": 0}]
    header, line = notes.quality_notes([{**_run(4, 1, 7.0), "settings_hash": "a"}, *records])
    assert "NOT of Inception" in header and "100 generated" in header and "FID 1.00" in header
    # Mean 12, sample standard deviation 2.83.
    assert line.startswith("Generator of row 4 (n=2): FID 12.00 ± 2.83, KID 0.10 ± 0.00")
    assert notes.quality_notes([{"row": 1, "seed": 0}]) == []


def test_alarms_stand_in_the_report() -> None:
    records = [_run(4, 2, 1.0, ("the generator may be collapsing",)), _run(5, 0, 1.0)]
    wanted = ["Alarm, row 4, seed 2: the generator may be collapsing."]
    assert notes.alarm_notes(records) == wanted
