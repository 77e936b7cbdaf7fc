"""One small dot plot per metric, the paper beside ours (Section V): where each mark stands.

The shape of a mark says the same as its colour; `kaffect/pages/plot.svg.j2` draws them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kaffect.studies.report.cells import Column, Line
from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.summary import Summary

LEFT, RIGHT, TOP, STEP = 34, 318, 8, 18
WIDTH = 330


@dataclass(frozen=True)
class Mark:
    """A figure of one source; `ends` are those of its 95 % interval, where there is one."""

    kind: str
    x: float
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class PlotRow:
    """One row of the table."""

    number: int
    label: str
    y: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Baseline:
    """A dashed line through all rows."""

    label: str
    kind: str
    x: float


@dataclass(frozen=True)
class Plot:
    """The plot of one metric; lengths in pixels, from the upper left corner."""

    name: str
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[PlotRow, ...]
    baselines: tuple[Baseline, ...]
    width: int = WIDTH
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP

    @property
    def bottom(self) -> int:
        """Where the axis lies."""
        return self.top + STEP * len(self.rows)


def kind_of(column: Column) -> str:
    """Which marker and colour a column of ours has."""
    if column.synthetic:
        return "synthetic"
    return "paper-data" if column.paper_data else "real"


def _values(summary: Summary, metric: str) -> list[float]:
    lines = [*summary.lines, *summary.baselines]
    found = [line.paper[metric] for line in lines if metric in line.paper]
    for cell in (cell for line in lines for cell in line.cells):
        if metric in cell.metrics:
            value = cell.metrics[metric]
            found.append(value.mean)
            if value.interval is not None:
                found += [value.interval.low, value.interval.high]
    return found


def _marks(
    summary: Summary, line: Line, metric: str, x: Callable[[float], float]
) -> tuple[Mark, ...]:
    marks = [Mark("paper", x(line.paper[metric]))] if metric in line.paper else []
    for column, cell in zip(summary.columns, line.cells, strict=True):
        value = cell.metrics.get(metric)
        if value is None:
            continue
        ends = None
        if value.interval is not None:
            ends = (x(value.interval.low), x(value.interval.high))
        marks.append(Mark(kind_of(column), x(value.mean), ends))
    return tuple(marks)


def plot_of(summary: Summary, metric: str) -> Plot:
    """The plot of one metric: a line for each row of the table, dashes where baselines lie."""
    values = _values(summary, metric)
    low, high = min([0.0, *values]), max([0.8, *values])

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (RIGHT - LEFT)

    rows = [(line.row, line) for line in summary.lines if line.row is not None]
    return Plot(
        METRICS[metric][0],
        tuple((x(t / 5), f"{t / 5:.1f}") for t in range(-5, 6) if low <= t / 5 <= high),
        tuple(
            PlotRow(number, line.label, TOP + STEP * (i + 0.5), _marks(summary, line, metric, x))
            for i, (number, line) in enumerate(rows)
        ),
        tuple(
            Baseline(line.label, mark.kind, mark.x)
            for line in summary.baselines
            for mark in _marks(summary, line, metric, x)
        ),
    )
