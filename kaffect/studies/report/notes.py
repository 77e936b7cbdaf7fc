"""Notes above a table of results (Section V): data, deviations, and the meaning of marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wording:
    """How a table names the publication that it is compared with.

    Attributes:
        publication: its name in column heads.
        runs: a sentence about the runs behind its figures.
        criterion: the validation score that selects the best row.
    """

    publication: str = "paper"
    runs: str = "The paper reports single runs on its test split."
    criterion: str = "mean CCC plus macro F1"


def notes_for(
    runs: Sequence[Mapping[str, Any]],
    synthetic_headers: Sequence[str],
    given: Sequence[str],
    dropped: int,
    marks: Sequence[str],
    wording: Wording = Wording(),
) -> tuple[str, ...]:
    """The header's notes: synthetic first, then deviations, then what figures and marks mean.

    Args:
        synthetic_headers: of the columns on synthetic data.
        given: deviations to state before those of the runs.
        dropped: runs left out.
        marks: from `kaffect.studies.report.support.support_notes`.
    """
    notes = []
    if synthetic_headers:
        notes.append(
            f"SYNTHETIC DATA: what stands under {' and '.join(synthetic_headers)} was scored on "
            "rendered faces. It shows whether the code learns; it is no result on the paper's data."
        )
    notes += given
    for run in runs:
        notes += run.get("notes") or ()
    if dropped:
        notes.append(f"{dropped} older run(s) with other settings or data are left out.")
    splits = dict.fromkeys(str(run.get("scored_split") or "test") for run in runs) or ["test"]
    notes.append(
        "Ours: mean ± sample standard deviation over n training seeds, "
        f"{' or '.join(splits)} split; with n=1 there is no deviation. {wording.runs}".rstrip()
    )
    notes += marks
    notes.append("—: the row does not train this task.")
    return tuple(dict.fromkeys(notes))


def provenance_of(runs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """How many runs, how long they took, and the commits, data and machines that they name."""
    if not runs:
        return ("no runs yet",)
    seconds = sum(float(run.get("wall_time") or 0) for run in runs)
    lines = [f"{len(runs)} run(s), {seconds / 60:.1f} minutes in all"]
    for name in ("commit", "data_hash", "hardware"):
        values = list(dict.fromkeys(str(run[name]) for run in runs if run.get(name)))
        more = f" and {len(values) - 4} more" if len(values) > 4 else ""
        if values:
            lines.append(f"{name.replace('_', ' ')}: {', '.join(values[:4])}{more}")
    return tuple(lines)
