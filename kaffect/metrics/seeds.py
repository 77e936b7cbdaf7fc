"""Two rows of a table over the same seeds: how often one is above the other, and what n can show.

The videos are taken as given here; whether a difference stands for other videos as well is
`kaffect.metrics.crossed_interval`'s to say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from kaffect.errors import DatasetError, expected_received
from kaffect.metrics.jackknife import quantile
from kaffect.metrics.sums import Floats

MOST_SEEDS = 40  # all 2^40 sign patterns are counted from two halves of 2^20


@dataclass(frozen=True)
class SeedComparison:
    """What the scores of two rows, paired by seed, say.

    Args:
        seeds: number of seeds n.
        difference: mean of first - second.
        deviation: standard deviation of the differences (n - 1); None for one seed.
        low: lower end of the paired t interval of the difference; None for one seed.
        high: its upper end.
        first_higher: P(first > second), the share of seeds in which the first is higher; a tie
            counts as a half.
        first_higher_low: lower end of its exact interval (Clopper and Pearson 1934).
        first_higher_high: its upper end.
        p_value: two-sided sign-flip test of "no difference".
        smallest_p: 2/2^n, the smallest p-value that n seeds can give.
    """

    seeds: int
    difference: float
    deviation: float | None
    low: float | None
    high: float | None
    first_higher: float
    first_higher_low: float
    first_higher_high: float
    p_value: float
    smallest_p: float


def seed_comparison(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> SeedComparison:
    """Compare two rows by their scores, paired by seed.

    P(first > second) is estimated as in Bouthillier et al., arXiv 2103.03098, with an exact
    interval in the place of a bootstrap; the test flips the signs of the differences
    (Fisher 1935), all 2^n of them.

    Args:
        first: scores [seeds] of the first row.
        second: scores [seeds] of the second, of the same seeds in the same order.
        level: confidence level of the intervals.

    Raises:
        DatasetError: no seeds or more than 40, different numbers of them, or a score that is
            not finite.
        ConfigError: a level outside of (0, 1).
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 1 or one.shape != other.shape or not 1 <= len(one) <= MOST_SEEDS:
        raise DatasetError(
            expected_received(
                "Scores by seed",
                f"two lists of one length from 1 to {MOST_SEEDS}",
                (one.shape, other.shape),
            )
        )
    difference = one - other
    if not np.isfinite(difference).all():
        raise DatasetError(expected_received("Scores by seed", "finite numbers", [*difference]))
    count, mean = len(difference), float(difference.mean())
    deviation = low = high = None
    factor = quantile(level, max(count - 1.0, 1.0))
    if count > 1:
        deviation = float(difference.std(ddof=1))
        half = factor * deviation / np.sqrt(count)
        low, high = float(mean - half), float(mean + half)
    wins = float((difference > 0).sum() + (difference == 0).sum() / 2.0)
    share_low, share_high = _exact_interval(wins, count, level)
    return SeedComparison(
        seeds=count,
        difference=mean,
        deviation=deviation,
        low=low,
        high=high,
        first_higher=wins / count,
        first_higher_low=share_low,
        first_higher_high=share_high,
        p_value=sign_flip_test(difference),
        smallest_p=2.0 / 2.0**count,
    )


def sign_flip_test(differences: ArrayLike) -> float:
    """Exact two-sided p-value of the mean of paired differences under random signs.

    The share of the 2^n sign patterns whose sum is at least as far from 0 as the one
    observed. It is at least 2/2^n, so that .05 needs six seeds.

    Args:
        differences: [n], first score - second of each seed, any unit.

    Raises:
        DatasetError: no difference, or more than 40.
    """
    values = np.asarray(differences, np.float64)
    if values.ndim != 1 or not 1 <= len(values) <= MOST_SEEDS:
        raise DatasetError(
            expected_received("Differences by seed", f"1 to {MOST_SEEDS}", values.shape)
        )
    # Sums that differ by rounding only count as equal.
    bound = abs(float(values.sum())) - 1e-12 * float(np.abs(values).sum())
    if bound <= 0.0:
        return 1.0
    half = len(values) // 2
    left, right = _signed_sums(values[:half]), np.sort(_signed_sums(values[half:]))
    above = len(right) - np.searchsorted(right, bound - left, side="left")
    below = np.searchsorted(right, -bound - left, side="right")
    return float((above.sum() + below.sum()) / 2.0 ** len(values))


def _signed_sums(values: Floats) -> Floats:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _exact_interval(wins: float, count: int, level: float) -> tuple[float, float]:
    tail = (1.0 - level) / 2.0
    low = float(special.betaincinv(wins, count - wins + 1.0, tail)) if wins > 0 else 0.0
    high = float(special.betaincinv(wins + 1.0, count - wins, 1.0 - tail)) if wins < count else 1.0
    return low, high
