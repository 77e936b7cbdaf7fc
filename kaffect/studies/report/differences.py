"""Each row's difference from the compared row with its interval (Section V): behind the stars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kaffect.studies.report.cells import Cell, Statistic
from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.summary import Summary

NONE = "—"


@dataclass(frozen=True)
class DifferenceLine:
    """One row; `figures`: of each metric, as text."""

    row: int
    label: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Differences:
    """The differences of one column; `names`: of its metrics."""

    heading: str
    names: tuple[str, ...]
    lines: tuple[DifferenceLine, ...]


def differences_of(summary: Summary) -> list[Differences]:
    """A table for each column in which rows could be compared with the best or the named one."""
    found = []
    for place, column in enumerate(summary.columns):
        cells = [(line, line.cells[place]) for line in summary.lines if line.row is not None]
        marked = [(line.row, cell.mark) for line, cell in cells if cell.mark]
        compared = [
            metric
            for metric in summary.metrics
            if any(c.metrics[metric].difference for _, c in cells if metric in c.metrics)
        ]
        if not compared:
            continue
        texts = [
            DifferenceLine(line.row or 0, line.label, _figures(cell, compared))
            for line, cell in cells
            if not cell.mark
        ]
        lines = tuple(line for line in texts if set(line.figures) != {NONE})
        row, mark = marked[0]
        which = f"best row {row}" if mark == "best" else f"row {row}"
        heading = f"Row minus {which}, with 95 % interval: {column.header}"
        found.append(Differences(heading, tuple(METRICS[m][0] for m in compared), lines))
    return found


def _figures(cell: Cell, metrics: Sequence[str]) -> tuple[str, ...]:
    return tuple(_text(cell.metrics.get(metric)) for metric in metrics)


def _text(value: Statistic | None) -> str:
    if value is None or value.difference is None:
        return NONE
    own = value.difference
    star = " *" * own.stands
    return f"{own.mean:+.3f} [{own.low:+.3f}, {own.high:+.3f}]{star}"
