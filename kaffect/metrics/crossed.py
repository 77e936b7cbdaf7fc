"""What a row's score over several seeds says about other seeds and other videos at once.

Seeds and videos are crossed: every seed is scored on every video. A spread over seeds alone
treats the test videos as all there are; an interval over videos alone treats one training run
as all there are. Two rows of a table differ only where the interval over both excludes 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kaffect.errors import DatasetError, expected_received
from kaffect.metrics.intervals import difference_range, require_same_labels, sums_for
from kaffect.metrics.jackknife import (
    criterion,
    degrees_of_freedom,
    jackknife_variance,
    leave_one_out,
    quantile,
)
from kaffect.metrics.sums import ClusterSums, Floats


@dataclass(frozen=True)
class CrossedInterval:
    """A mean over seeds (or the mean difference of two rows) with its interval.

    Args:
        estimate: the mean over the seeds.
        low: lower end.
        high: upper end.
        seed_error: standard error of the mean that comes from the choice of seeds.
        cluster_error: the one that comes from the choice of videos or people, including
            how differently the seeds do on them.
        seeds: number of seeds.
        clusters: number of clusters.
    """

    estimate: float
    low: float
    high: float
    seed_error: float
    cluster_error: float
    seeds: int
    clusters: int

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference of two rows stands: 0 lies outside of the interval."""
        return self.low > 0.0 or self.high < 0.0


def crossed_interval(
    y_true: ArrayLike,
    first: ArrayLike,
    clusters: ArrayLike,
    second: ArrayLike | None = None,
    metric: str = "ccc",
    level: float = 0.95,
    classes: int | None = None,
) -> CrossedInterval:
    """Mean score over seeds, or mean difference of two rows paired by seed, over both kinds.

    The jackknife pseudo-values of each seed and cluster are the observations of a two-way
    random-effects layout (Dorfman, Berbaum and Metz 1992, for readers and cases). With
    V_S = var(scores over seeds)/S, V_K the jackknife variance over clusters of the mean over
    seeds, and V_I = MS(interaction)/(S K), which both contain,

        half width^2 = t^2(S - 1) max(V_S - V_I, 0) + t^2(K_eff - 1) V_K

    with each part at its own degrees of freedom (Banerjee 1960, Sankhya 22). Satterthwaite's
    single number of degrees of freedom was tried and rejected: at 3 seeds it covers as little
    as .91 (docs/statistics.md).

    Args:
        y_true: labels as in `kaffect.metrics.clustered_interval`.
        first: predictions of each seed, [seeds, ...] with the labels' shape behind.
        clusters: the cluster of each frame, [n].
        second: the other row's, of the same shape and the same seeds in the same order; `None`
            for the interval of `first` alone.
        metric: as in `clustered_interval`.
        level: confidence level.
        classes: number of classes, for 'f1_macro_all'.

    Raises:
        DatasetError: fewer than two seeds (one seed tells nothing of another) or clusters,
            different numbers of seeds, or what `clustered_interval` rejects.
        ConfigError: an unknown metric, or a level outside of (0, 1).
    """
    rows = [_by_seed(row) for row in (first, second) if row is not None]
    sums = sums_for(metric, y_true, [p for row in rows for p in row], clusters, classes)
    count = len(rows[0])
    other = None if second is None else sums[count:]
    return crossed_interval_of(sums[:count], other, metric, level)


def crossed_interval_of(
    first: Sequence[ClusterSums],
    second: Sequence[ClusterSums] | None = None,
    metric: str = "ccc",
    level: float = 0.95,
) -> CrossedInterval:
    """`crossed_interval` from stored sums, one for each seed."""
    others = [] if second is None else [*second]
    if len(first) < 2:
        raise DatasetError(expected_received("An interval over seeds", "2 or more", len(first)))
    if second is not None and len(others) != len(first):
        raise DatasetError(
            expected_received(
                "Seeds of the second row", f"{len(first)} as in the first", len(others)
            )
        )
    require_same_labels([*first, *others])
    scores, left_out = _stack(first, metric)
    chosen = criterion(metric)
    low, high = chosen.low, chosen.high
    if second is not None:
        their_scores, their_left_out = _stack(others, metric)
        scores, left_out = scores - their_scores, left_out - their_left_out
        low, high = difference_range(metric)
    estimate = float(scores.mean())
    seed_part, cluster_part = error_parts(scores, left_out)
    half_squared = 0.0
    for part, freedom in (
        (seed_part, len(scores) - 1.0),
        (cluster_part, degrees_of_freedom(first[0].frames)),
    ):
        factor = quantile(level, freedom)
        half_squared += factor**2 * part if part else 0.0
    half = float(np.sqrt(half_squared))
    return CrossedInterval(
        estimate=estimate,
        low=max(low, estimate - half),
        high=min(high, estimate + half),
        seed_error=float(np.sqrt(seed_part)),
        cluster_error=float(np.sqrt(cluster_part)),
        seeds=len(first),
        clusters=len(first[0].clusters),
    )


def _by_seed(row: ArrayLike) -> list[ArrayLike]:
    predictions = np.asarray(row)
    if predictions.ndim < 2:
        raise DatasetError(
            expected_received("Predictions of a row", "[seeds, frames, ...]", predictions.shape)
        )
    return [*predictions]


def _stack(sums: Sequence[ClusterSums], metric: str) -> tuple[Floats, Floats]:
    """Scores [seeds] and scores without each cluster [seeds, clusters]."""
    pairs = [leave_one_out(s, metric) for s in sums]
    return np.array([score for score, _ in pairs]), np.stack([rest for _, rest in pairs])


def error_parts(scores: Floats, left_out: Floats) -> tuple[float, float]:
    """Variances of a mean over seeds: the part of the seeds alone, and the part of the clusters.

    Args:
        scores: [seeds].
        left_out: scores without each cluster, [seeds, clusters].
    """
    seeds, clusters = left_out.shape
    over_seeds = float(scores.var(ddof=1)) / seeds
    over_clusters = jackknife_variance(float(scores.mean()), left_out.mean(axis=0))
    # Pseudo-values up to each seed's constant, which the interaction does not contain.
    pseudo = -(clusters - 1) * left_out
    rest = pseudo - pseudo.mean(axis=0) - pseudo.mean(axis=1, keepdims=True) + pseudo.mean()
    interaction = float((rest**2).sum()) / ((seeds - 1) * (clusters - 1)) / (seeds * clusters)
    return max(over_seeds - interaction, 0.0), over_clusters
