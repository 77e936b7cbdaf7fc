"""The criteria of Section IV-D from sums, for the whole set and without each of its videos.

The score functions take sums with any leading axes, [..., n, c] -> [...]; they have the
conventions of `kaffect.metrics.concordance` and `kaffect.metrics.classification`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kaffect.errors import ConfigError, DatasetError, expected_received
from kaffect.metrics.sums import ClusterSums, Floats

# A variance below this share of the mean square about the common origin is rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Criterion:
    """A score as a function of sums.

    Args:
        kind: the kind of `ClusterSums` that it reads.
        low: its smallest possible value.
        high: its largest.
        score: additive sums [..., n, c] -> [...].
    """

    kind: str
    low: float
    high: float
    score: Callable[[Floats], Floats]


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """numerator / denominator, and 0 where the denominator is 0."""
    empty = denominator == 0
    return np.where(empty, 0.0, numerator / np.where(empty, 1.0, denominator))


def _central(sums: Floats) -> tuple[Floats, ...]:
    """Means, population variances and covariance; a variance of rounding size is 0."""
    frames, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    mean_x, mean_y = x / frames, y / frames
    var_x, var_y = xx / frames - mean_x**2, yy / frames - mean_y**2
    var_x = np.where(var_x <= _ROUNDING * (xx / frames), 0.0, var_x)
    var_y = np.where(var_y <= _ROUNDING * (yy / frames), 0.0, var_y)
    constant = (var_x == 0) | (var_y == 0)
    return mean_x, mean_y, var_x, var_y, np.where(constant, 0.0, xy / frames - mean_x * mean_y)


def _concordance(sums: Floats) -> Floats:
    mean_x, mean_y, var_x, var_y, covariance = _central(sums)
    spread = var_x + var_y + (mean_x - mean_y) ** 2
    return _ratio(2.0 * covariance, spread).mean(axis=-1)


def _squared_error(sums: Floats) -> Floats:
    frames, _, _, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return np.maximum((xx - 2.0 * xy + yy) / frames, 0.0).mean(axis=-1)


def _accuracy(sums: Floats) -> Floats:
    return sums[..., 0].sum(axis=-1) / sums[..., 1].sum(axis=-1)


def _f1(sums: Floats) -> Floats:
    """[..., n, (hits, labelled, predicted)] -> [..., n]."""
    return _ratio(2.0 * sums[..., 0], sums[..., 1] + sums[..., 2])


def _f1_of_occurring(sums: Floats) -> Floats:
    occurs = (sums[..., 1] + sums[..., 2]) > 0
    return _f1(sums).sum(axis=-1) / occurs.sum(axis=-1)


def _f1_weighted(sums: Floats) -> Floats:
    labelled = sums[..., 1]
    return _ratio((_f1(sums) * labelled).sum(axis=-1), labelled.sum(axis=-1))


def _unit_accuracy(sums: Floats) -> Floats:
    frames, hits, labelled, predicted = np.moveaxis(sums, -1, 0)
    wrong = labelled + predicted - 2.0 * hits
    return 1.0 - wrong.sum(axis=-1) / frames.sum(axis=-1)


CRITERIA = {
    "ccc": Criterion("moments", -1.0, 1.0, _concordance),
    "mse": Criterion("moments", 0.0, float("inf"), _squared_error),
    "accuracy": Criterion("classes", 0.0, 1.0, _accuracy),
    "f1_macro": Criterion("classes", 0.0, 1.0, _f1_of_occurring),
    "f1_macro_all": Criterion("classes", 0.0, 1.0, lambda sums: _f1(sums).mean(axis=-1)),
    "f1_weighted": Criterion("classes", 0.0, 1.0, _f1_weighted),
    "au_f1_macro": Criterion("units", 0.0, 1.0, lambda sums: _f1(sums[..., 1:]).mean(axis=-1)),
    "au_f1_weighted": Criterion("units", 0.0, 1.0, lambda sums: _f1_weighted(sums[..., 1:])),
    "au_accuracy": Criterion("units", 0.0, 1.0, _unit_accuracy),
}


def criterion(metric: str) -> Criterion:
    """The criterion of that name.

    Raises:
        ConfigError: there is none.
    """
    if metric not in CRITERIA:
        raise ConfigError(expected_received("Unknown metric", tuple(CRITERIA), metric))
    return CRITERIA[metric]


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
    return float(chosen.score(additive.sum(axis=0))), chosen.score(_sums_of_the_others(additive))


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
    """Variance of a score over clusters: (K - 1)/K times the sum of (left out - estimate)^2."""
    count = len(left_out)
    return float((count - 1) / count * ((left_out - estimate) ** 2).sum())


def degrees_of_freedom(frames: NDArray[np.float64]) -> float:
    """Effective number of clusters (sum n)^2 / sum n^2 (Kish 1965), minus one.

    K - 1 for clusters of one length; fewer where a few long videos carry the score.
    """
    return float(frames.sum() ** 2 / (frames**2).sum() - 1.0)
