"""Intervals of the criteria of Section IV-D over test videos or people, and paired differences.

Frames of a video are nearly copies of each other, so the number of videos (of people, where
they are known) is what an interval depends on, not the number of frames. The method is the
jackknife over clusters with Student's t; docs/statistics.md has its measured coverage.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kaffect.errors import ConfigError, DatasetError
from kaffect.metrics.jackknife import (
    criterion,
    degrees_of_freedom,
    jackknife_variance,
    leave_one_out,
    quantile,
)
from kaffect.metrics.sums import ClusterSums, Floats, group_clusters, sums_of


class Interval(NamedTuple):
    """A score, or a difference of two, with its confidence interval."""

    estimate: float
    low: float
    high: float


def clustered_interval(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    clusters: ArrayLike,
    metric: str = "ccc",
    level: float = 0.95,
    classes: int | None = None,
) -> Interval:
    """A score over the whole set and its confidence interval over clusters of frames.

    estimate +- t sqrt((K - 1)/K sum_k (score without cluster k - estimate)^2), cut at the ends
    of the metric's range: the delete-one-cluster jackknife (Quenouille and Tukey; around the
    estimate itself as "CV3" in MacKinnon, Nielsen and Webb, arXiv 2205.03288). Student's t has
    K - 1 degrees of freedom for clusters of one length, K_eff - 1 with
    K_eff = (sum n_k)^2 / sum n_k^2 otherwise.

    Where every cluster scores the same, as a constant prediction does in CCC, the interval has
    width 0. A class that occurs only in one cluster leaves the average of `f1_macro` together
    with that cluster, as it does in `kaffect.metrics.f1`.

    Args:
        y_true: labels of the labelled frames. [n] or [n, d] for 'ccc' and 'mse' (the mean over
            the d columns: P_VA for valence and arousal); class numbers [n] for 'accuracy',
            'f1_macro', 'f1_macro_all', 'f1_weighted'; 0 and 1 [n, units] for 'au_f1_macro',
            'au_f1_weighted', 'au_accuracy'.
        y_pred: predictions of the same shape; of units already thresholded.
        clusters: the person of each frame, or the video where people are not known, [n], whole
            numbers or strings. A video without a labelled frame does not occur and does not count.
        metric: a name from above.
        level: confidence level.
        classes: number of classes; needed by 'f1_macro_all', which averages over all of them.

    Returns:
        (estimate, low, high).

    Raises:
        DatasetError: fewer than two clusters, no frame, shapes that do not fit, a value that is
            not finite, a mark (-1) among class numbers or units.
        ConfigError: an unknown metric, or a level outside of (0, 1).
    """
    (sums,) = sums_for(metric, y_true, [y_pred], clusters, classes)
    return interval_of(sums, metric, level)


def paired_interval(
    y_true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    metric: str = "ccc",
    level: float = 0.95,
    classes: int | None = None,
) -> Interval:
    """score(first) - score(second) on the same frames, with its interval over clusters.

    The jackknife leaves a cluster out of both at once, so what makes a video hard for both
    cancels. Method and errors as in `clustered_interval`.

    Args:
        y_true, clusters, metric, level, classes: as in `clustered_interval`.
        first: predictions of the same shape as `y_true`.
        second: predictions of the same shape as `y_true`.

    Returns:
        (difference, low, high). One training run each: the spread over seeds is not in it
        (`kaffect.metrics.crossed_interval`).
    """
    one, other = sums_for(metric, y_true, [first, second], clusters, classes)
    return paired_interval_of(one, other, metric, level)


def interval_of(sums: ClusterSums, metric: str = "ccc", level: float = 0.95) -> Interval:
    """`clustered_interval` from stored sums."""
    estimate, left_out = leave_one_out(sums, metric)
    chosen = criterion(metric)
    return _interval(estimate, left_out, sums.frames, level, (chosen.low, chosen.high))


def paired_interval_of(
    first: ClusterSums, second: ClusterSums, metric: str = "ccc", level: float = 0.95
) -> Interval:
    """`paired_interval` from stored sums; they must be of the same labelled frames."""
    require_same_labels([first, second])
    (one, left_one), (other, left_other) = (leave_one_out(s, metric) for s in (first, second))
    return _interval(
        one - other, left_one - left_other, first.frames, level, difference_range(metric)
    )


def difference_range(metric: str) -> tuple[float, float]:
    """Smallest and largest possible difference of two scores."""
    chosen = criterion(metric)
    return chosen.low - chosen.high, chosen.high - chosen.low


def require_same_labels(sums: list[ClusterSums]) -> None:
    """Reject sums that are not of the same labelled frames in the same clusters."""
    for other in sums[1:]:
        if not sums[0].same_labels(other):
            raise DatasetError(
                "A paired comparison needs the same labelled frames of the same clusters on both "
                f"sides. Received: {int(sums[0].frames.sum())} frames in {len(sums[0].clusters)} "
                f"clusters, and {int(other.frames.sum())} in {len(other.clusters)} or other labels"
            )


def sums_for(
    metric: str,
    y_true: ArrayLike,
    predictions: list[ArrayLike],
    clusters: ArrayLike,
    classes: int | None,
) -> list[ClusterSums]:
    """Sums for `metric` of several predictions of the same frames.

    Args:
        metric, y_true, clusters, classes: as in `clustered_interval`.
        predictions: each of the same shape as `y_true`.
    """
    kind = criterion(metric).kind
    if metric == "f1_macro_all" and classes is None:
        raise ConfigError("'f1_macro_all' is an average over all classes: give their number")
    ids, index = group_clusters(clusters)
    each = [sums_of(y_true, pred, index, len(ids), kind, classes) for pred in predictions]
    if kind == "classes":
        # One prediction may know a class that the others never name.
        width = max(values.shape[1] for values in each)
        each = [np.pad(v, ((0, 0), (0, width - v.shape[1]), (0, 0))) for v in each]
    return [ClusterSums(kind, ids, values) for values in each]


def _interval(
    estimate: float,
    left_out: Floats,
    frames: Floats,
    level: float,
    limits: tuple[float, float],
) -> Interval:
    factor = quantile(level, degrees_of_freedom(frames))
    error = float(np.sqrt(jackknife_variance(estimate, left_out)))
    half = factor * error if error else 0.0
    low, high = limits
    return Interval(estimate, max(low, estimate - half), min(high, estimate + half))
