"""The cells of a report (Section V): what one column says of one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kaffect.studies.report.intervals import Difference, Interval

# Of a column: kind and name of the data, profile, hash of the data.
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Statistic:
    """Mean over n seeds, sample deviation (n - 1), which n = 1 does not have, and its interval.

    Attributes:
        reason: why there is no interval; "" where the metric never has one.
        difference: from the best row, where the two can be compared.
    """

    mean: float
    deviation: float | None
    n: int
    interval: Interval | None = None
    reason: str = ""
    difference: Difference | None = None

    @property
    def star(self) -> bool:
        """Whether the difference from the best row holds for new seeds and new people."""
        return self.difference is not None and self.difference.stands


@dataclass(frozen=True)
class Column:
    """One group of our runs: a data set and a profile."""

    header: str
    synthetic: bool
    paper_data: bool
    runs: int = 0


@dataclass(frozen=True)
class Cell:
    """The results of one row in one column; `n` is 0 for a row that was not run."""

    n: int = 0
    metrics: Mapping[str, Statistic] = field(default_factory=dict)
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One row of the table, or a baseline (`row` None, no figures of the paper)."""

    row: int | None
    label: str
    short: str
    paper: Mapping[str, float]
    cells: tuple[Cell, ...]
