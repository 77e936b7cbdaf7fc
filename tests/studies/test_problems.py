"""What a table says of rows that could not run: once for each reason, and only where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kaffect.errors import ArtifactError, DatasetError, KaffectError, TrainingDiverged
from kaffect.studies.finding import find_trained
from kaffect.studies.framewise import STUDY
from kaffect.studies.plan import Plan
from kaffect.studies.problems import Problem, StartError, explain, raise_faults
from kaffect.studies.reporting import table_rows


def plan(table: str, weights: str | None, *rows: int, data: Path | None = None) -> Plan:
    found = find_trained(table)
    chosen = tuple((n, found.rows[n - 1]) for n in rows or range(1, len(found.rows) + 1))
    return Plan(found, STUDY.profiles["smoke"], data, chosen, weights=weights)


def labels(*arguments: Any, problems: tuple[Problem, ...] = (), ran: set[int] = set()) -> list[str]:
    rows = table_rows(plan("A5", *arguments), {}, ran, problems)
    return [row.label for row in rows if ": " in row.label]


def test_only_rows_that_were_asked_for_say_why_they_did_not_run() -> None:
    names = [row.label for row in find_trained("A5").rows[:2]]
    assert labels(None) == [f"{name}: not run: no weights" for name in names]
    assert labels("w.npz", 3) == [] and labels(None, 3) == [] and labels("w.npz") == []
    assert labels(None, ran={1}) == [f"{names[1]}: not run: no weights"]
    problem = Problem(1, 0, "failed", "it diverged", True)
    assert labels("w.npz", problems=(problem,)) == [f"{names[0]}: failed"]
    assert labels("w.npz", problems=(problem,), ran={1}) == [], "another seed has a result"


def test_problems_are_told_once_for_each_reason() -> None:
    start, data = StartError("w.npz: no"), DatasetError("no labels")
    found = [Problem.of(1, 0, start), Problem.of(2, 0, start), Problem.of(4, 0, data)]
    assert explain(found) == ["rows 1, 2: not run: w.npz: no", "row 4: not run: no labels"]
    diverged = Problem.of(3, 1, TrainingDiverged("at step 7"))
    assert explain([found[2], diverged])[1] == "row 3 (seed 1): failed: at step 7"
    assert Problem.of(3, 1, ArtifactError("checkpoint")).kind == "failed"
    raise_faults([found[2]])  # data without labels are no fault of the command
    with pytest.raises(KaffectError, match="^rows 1, 2: not run: w.npz: no$"):
        raise_faults(found)
