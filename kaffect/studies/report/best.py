"""The row that others are compared with: the best on validation, or a given one (Section V)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaffect.studies.report.cells import Key, Runs

Groups = Mapping[tuple[Key, Any], Runs]


@dataclass(frozen=True)
class Best:
    """The row that the others of one column are compared with.

    Attributes:
        row: the best, or the given one; None where fewer than two rows can be compared.
        given: whether the table names the row.
        fitted: rows that did not compete because their Action Unit thresholds were chosen on
            the frames that they would be compared on.
    """

    row: int | None = None
    fitted: tuple[int, ...] = ()
    given: bool = False

    @property
    def mark(self) -> str:
        """Of the row's cells."""
        return "reference" if self.given else "best"

    @property
    def name(self) -> str:
        """In notes."""
        return f"row {self.row}" if self.given else "the best row"


def best_of(
    column: Key, groups: Groups, metrics: Sequence[str], against: int | None = None
) -> Best:
    """The row `against` or, without one, the best on validation.

    That is the row with the highest mean validation score among those that train every task shown.

    The score is a sum over tasks, so a row of one task cannot be compared with a row of two.
    Where rows have different seeds, as in a table half done, those that all have are compared.
    Thresholds of Action Units chosen on validation raise the score there: such rows compete
    only where there is no row at probability 0.5.
    """
    if against is not None:
        return Best(against if (column, against) in groups else None, given=True)
    scores: dict[int, dict[int, float]] = {}
    widths: dict[int, int] = {}
    for (key, row), runs in groups.items():
        found = [(run["seed"], (run.get("validation") or {}).get("score")) for run in runs]
        known = {seed: float(score) for seed, score in found if score is not None}
        if key != column or not isinstance(row, int) or len(known) < len(found):
            continue
        scores[row] = known
        widths[row] = sum(all(run["metrics"].get(m) is not None for run in runs) for m in metrics)
    candidates = {row for row in scores if widths[row] == max(widths.values())}
    fitted = {row for row in candidates if any(map(has_fitted_thresholds, groups[column, row]))}
    fitted = fitted if fitted < candidates else set()
    best = _highest({row: scores[row] for row in sorted(candidates - fitted)})
    return Best(best, tuple(sorted(fitted)))


def _highest(scores: Mapping[int, Mapping[int, float]]) -> int | None:
    """The row with the highest mean over the seeds that all rows have."""
    if len(scores) < 2:
        return None
    shared = set.intersection(*(set(own) for own in scores.values()))
    means = {
        row: statistics.fmean(score for seed, score in own.items() if seed in shared or not shared)
        for row, own in scores.items()
    }
    return max(means, key=lambda row: means[row])


def has_fitted_thresholds(run: Mapping[str, Any]) -> bool:
    """Whether the Action Unit thresholds of a run were chosen on validation."""
    settings = run.get("config")
    train = settings.get("train") if isinstance(settings, Mapping) else None
    chosen = isinstance(train, Mapping) and train.get("thresholds") == "validation"
    return chosen and run["metrics"].get("au_f1_macro") is not None
