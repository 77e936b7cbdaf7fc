"""The cells of a report (Section V): mean, 95 % interval and difference from the compared row.

`docs/statistics.md` has the method and how to read them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kaffect.errors import DatasetError, KaffectError
from kaffect.metrics import crossed_interval_of, interval_of
from kaffect.metrics.sums import ClusterSums
from kaffect.studies.stored_sums import CRITERIA, DAMAGED, StoredSums, counted, sums_for_metric

# Of a column: kind and name of the data, profile, hash of the data.
Key = tuple[str, str, str, str]
Runs = Sequence[Mapping[str, Any]]
# By how much a figure may differ from the one that its sums give: less than half a digit shown.
_ROUNDING = 4e-4
OTHER_FIGURES = "its sums over people give another figure than the result (folder clusters)"
ONE_CLUSTER = "all labelled frames are of one person or video"


@dataclass(frozen=True)
class Interval:
    """A 95 % interval, and of what it is.

    Attributes:
        seeds: 1: over people or videos alone.
        clusters: number of people (of videos, where people are not known, and of single
            pictures); counted: in words.
        seed_error, cluster_error: standard errors of the mean that come from the choice of
            seeds, and of people; 0 for one seed.
    """

    low: float
    high: float
    seeds: int
    clusters: int
    counted: str
    seed_error: float = 0.0
    cluster_error: float = 0.0


@dataclass(frozen=True)
class Difference:
    """A row minus the one it is compared with: mean over common seeds, with a 95 % interval."""

    mean: float
    low: float
    high: float
    seeds: int

    @property
    def stands(self) -> bool:
        """Whether the interval excludes 0: the star."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True)
class Statistic:
    """Mean over n seeds, sample deviation (n - 1), which n = 1 does not have, and its interval.

    Attributes:
        reason: why there is no interval; "" where the metric never has one.
        difference: from the best or the named row, where the two can be compared.
    """

    mean: float
    deviation: float | None
    n: int
    interval: Interval | None = None
    reason: str = ""
    difference: Difference | None = None

    @property
    def star(self) -> bool:
        """Whether the difference holds for new seeds and new people."""
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
    """The results of one row in one column; `n` is 0 for a row that was not run.

    Attributes:
        mark: of the row that the others are compared with: "best" or "reference".
    """

    n: int = 0
    metrics: Mapping[str, Statistic] = field(default_factory=dict)
    mark: str = ""


@dataclass(frozen=True)
class Line:
    """One row of the table, or a baseline (`row` None, no figures of the paper)."""

    row: int | None
    label: str
    short: str
    paper: Mapping[str, float]
    cells: tuple[Cell, ...]


def cell_of(runs: Runs, shown: Sequence[str], mark: str, rivals: Runs, stored: StoredSums) -> Cell:
    """The cell of one row in one column.

    Each metric has the mean of its runs, their deviation, an interval and, unless the row is
    the one that others are compared with, the difference from that.

    Args:
        runs: of the row, one for each seed.
        shown: metrics that get an interval.
        mark: of the cell.
        rivals: the runs of the row that this one is compared with.
    """
    found = {}
    for name in dict.fromkeys(name for run in runs for name in run["metrics"]):
        measured = [run for run in runs if run["metrics"].get(name) is not None]
        if not measured:
            continue
        values = [float(run["metrics"][name]) for run in measured]
        deviation = statistics.stdev(values) if len(values) > 1 else None
        mean, several = statistics.fmean(values), len(values)
        if name not in shown:
            found[name] = Statistic(mean, deviation, several)
            continue
        interval, reason = interval_for(measured, name, stored)
        difference = None if mark else difference_for(measured, rivals, name, stored)
        found[name] = Statistic(mean, deviation, several, interval, reason, difference)
    return Cell(len(runs), found, mark)


def interval_for(runs: Runs, metric: str, stored: StoredSums) -> tuple[Interval | None, str]:
    """The interval of the mean of `metric` over `runs`, one for each seed.

    Over seeds and people (else videos) from two seeds on, over people alone with one.

    Returns:
        None and why there is none; without a reason where the metric never has one.
    """
    if metric not in CRITERIA:
        return None, ""
    try:
        return _interval(runs, metric, stored), ""
    except KaffectError as error:
        return None, str(error)


def difference_for(row: Runs, best: Runs, metric: str, stored: StoredSums) -> Difference | None:
    """`row` minus `best`, paired by seed and by person; None where that cannot be compared.

    That is: fewer than two seeds in common, other frames, no sums, or a metric without interval.
    """
    others = {run["seed"]: run for run in best}
    pairs = [(run, others[run["seed"]]) for run in row if run["seed"] in others]
    if metric not in CRITERIA or len(pairs) < 2:
        return None
    try:
        own = [_sums(run, metric, stored) for run, _ in pairs]
        its = [_sums(run, metric, stored) for _, run in pairs]
        found = crossed_interval_of(own, its, CRITERIA[metric][1])
    except KaffectError:
        return None
    if not all(map(math.isfinite, (found.low, found.high))):
        return None
    return Difference(found.estimate, found.low, found.high, found.seeds)


def _interval(runs: Runs, metric: str, stored: StoredSums) -> Interval:
    sums = [_sums(run, metric, stored) for run in runs]
    criterion, clusters = CRITERIA[metric][1], sums[0].clusters
    errors = (0.0, 0.0)
    if len(sums) == 1:
        _, low, high = interval_of(sums[0], criterion)
    else:
        crossed = crossed_interval_of(sums, None, criterion)
        low, high = crossed.low, crossed.high
        errors = crossed.seed_error, crossed.cluster_error
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DatasetError("nearly all labelled frames are of one person or video")
    return Interval(low, high, len(sums), len(clusters), counted(clusters), *errors)


def _sums(run: Mapping[str, Any], metric: str, stored: StoredSums) -> ClusterSums:
    """Sums of one run for one metric, which give the figure that its record has.

    Raises:
        KaffectError: they do not, there are none, or they are of one cluster only.
    """
    found = sums_for_metric(stored.of(run), metric)
    if found is None:
        raise DatasetError(DAMAGED)
    sums, criterion = found
    if len(sums.clusters) < 2:
        raise DatasetError(ONE_CLUSTER)
    estimate, recorded = interval_of(sums, criterion).estimate, run["metrics"].get(metric)
    if recorded is None or not abs(estimate - float(recorded)) <= _ROUNDING:
        raise DatasetError(OTHER_FIGURES)
    return sums
