"""The jackknife over videos of the criteria of Section IV-D: scores without each video."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kaffect.errors import ConfigError, DatasetError, expected_received
from kaffect.metrics.registry import METRICS, Metric
from kaffect.metrics.sums import ClusterSums, Floats


def criterion(metric: str) -> Metric:
    """The metric of that name, which must be a function of sums.

    Raises:
        ConfigError: there is none.
    """
    accepted = [name for name, each in METRICS.items() if each.of_sums is not None]
    if metric not in accepted:
        raise ConfigError(expected_received("Unknown metric", accepted, metric))
    return METRICS[metric]


def quantile(level: float, freedom: float) -> float:
    """The factor of a two-sided interval of Student's t: P(|t| <= factor) = level.

    Raises:
        ConfigError: a level that is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise ConfigError(expected_received("Level", "a number between 0 and 1", level))
    return float(special.stdtrit(freedom, 0.5 + level / 2.0))


def leave_one_out(sums: ClusterSums, metric: str) -> tuple[float, Floats]:
    """The score of all clusters together, and of all but each one, [clusters].

    Raises:
        ConfigError: an unknown metric.
        DatasetError: sums of another kind, or fewer than two clusters.
    """
    chosen = criterion(metric)
    if sums.kind != chosen.kind:
        raise DatasetError(expected_received(f"Sums for {metric!r}", chosen.kind, sums.kind))
    if len(sums.clusters) < 2:
        raise DatasetError(
            expected_received("An interval over clusters", "at least 2 of them", [*sums.clusters])
        )
    additive = _about_one_origin(sums.values) if sums.kind == "moments" else sums.values
    return float(chosen.score_of_sums(additive.sum(axis=0))), chosen.score_of_sums(
        _sums_of_the_others(additive)
    )


def _sums_of_the_others(values: Floats) -> Floats:
    """For each row of [clusters, ...] the sum of all other rows.

    Not as total - row: where that row is by far the largest, rounding would be all that is left.
    """
    others = np.zeros_like(values)
    others[1:] += np.cumsum(values[:-1], axis=0)
    others[:-1] += np.cumsum(values[:0:-1], axis=0)[::-1]
    return others


def _about_one_origin(values: Floats) -> Floats:
    """Sums [clusters, d, 6] that add up, about the mean of all labels: n, x, y, xx, yy, xy."""
    frames, mean_x, mean_y, xx, yy, xy = np.moveaxis(values, -1, 0)
    origin = (frames * (mean_x - mean_x[0])).sum(axis=0) / frames.sum(axis=0) + mean_x[0]
    x, y = mean_x - origin, mean_y - origin
    raw = (frames * x, frames * y, xx + frames * x**2, yy + frames * y**2, xy + frames * x * y)
    return np.stack([frames, *raw], axis=-1)


def jackknife_variance(estimate: float, left_out: Floats) -> float:
    """Variance of a score over clusters: (K - 1)/K times the sum of (left out - estimate)^2.

    Args:
        estimate: the score of all clusters.
        left_out: [clusters], the score without each of them, in the same unit.
    """
    count = len(left_out)
    return float((count - 1) / count * ((left_out - estimate) ** 2).sum())


def degrees_of_freedom(frames: NDArray[np.float64]) -> float:
    """Effective number of clusters (sum n)^2 / sum n^2 (Kish 1965), minus one.

    K - 1 for clusters of one length; fewer where a few long videos carry the score.

    Args:
        frames: [clusters], labelled frames of each, > 0.
    """
    return float(frames.sum() ** 2 / (frames**2).sum() - 1.0)
