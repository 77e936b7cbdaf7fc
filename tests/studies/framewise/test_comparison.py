"""Counts and losses of the second study beside a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kaffect.data.prepared.records import PreparedData
from kaffect.studies.framewise.comparison import count_notes, loss_notes
from kaffect.studies.reference import study_counts


def test_the_numbers_are_those_of_the_text() -> None:
    """Sections 1.7, 1.9, 1.9.1, 1.10.1 and 1.11 of the dissertation."""
    found = {t: {c.of: c.value for c in study_counts(t)} for t in ("A1", "A2", "A3", "A4")}
    assert found == {
        "A1": {"videos": 548, "about": 2_700_000},
        "A2": {"videos": 547, "all": 2_603_921, "train": 1_343_938, "validation": 439_248},
        "A3": {"videos": 564, "about": 2_800_000, "train": 1_653_401, "validation": 374_656},
        "A4": {},
    }


# Counted by hand from `tests.data.drawing.build_tree`.
@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("A1", "expressions, X: videos 4 | 548; in all 196 | about 2,700,000 (Section 1.9.1)"),
        (
            "A2",
            "Action Units, X: videos 3 | 547; in all 175 | 2,603,921; train 80 | 1,343,938; "
            "validation 62 | 439,248 (Section 1.10.1, Section 1.11)",
        ),
        (
            "A3",
            "valence and arousal, X: videos 4 | 564; in all 203 | about 2,800,000; "
            "train 117 | 1,653,401; validation 56 | 374,656 (Section 1.7, Section 1.9)",
        ),
    ],
)
def test_counts_of_a_tree_stand_beside_the_study_s(
    prepared: Path, table: str, expected: str
) -> None:
    (note,) = count_notes(table, PreparedData.open(prepared))
    assert note == "frames annotated with " + expected.replace(
        "X", "these data | the study's Aff-Wild2"
    )


def test_a_list_has_no_videos_and_other_tables_no_counts(prepared: Path) -> None:
    data = PreparedData.open(prepared)
    (note,) = count_notes("A1", data, videos=False)
    assert "videos" not in note
    assert count_notes("A4", data) == count_notes("A5", data) == []


def looks(*losses: tuple[float, float]) -> list[dict[str, dict[str, float]]]:
    return [
        {"train": {"valence_arousal": a}, "validation": {"loss_valence_arousal": b}}
        for a, b in losses
    ]


def test_losses_of_row_1_stand_beside_the_study_s() -> None:
    records: list[dict[str, Any]] = [
        {"row": 1, "history": looks((0.5, 0.6), (0.4, 0.5))},
        {"row": 1, "history": looks((0.3, 0.4), (0.2, 0.35), (0.1, 0.25))},
        {"row": 2, "history": looks((9, 9))},
        {"row": "constant"},
    ]
    for record in records:
        record["table"] = "A3"
    assert loss_notes(records) == [
        "loss of valence/arousal by epoch, the study | row 1 here: "
        "train 0.0712 (1), 0.0516 (10) | 0.3000 (first), 0.1000 (last); "
        "validation 0.1239 (10) | 0.4000 (first), 0.2500 (last)"
    ]
    assert loss_notes(records[2:]) == []
    assert loss_notes([{**record, "table": "A1"} for record in records]) == []
    joint = loss_notes([{**record, "table": "A4"} for record in records])
    assert len(joint) == 1, "the record has no other task"
    assert "validation 0.0101 (9), 0.0046 (10) | 0.4000" in joint[0]
