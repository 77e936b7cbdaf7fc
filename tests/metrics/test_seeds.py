"""Comparison of two rows by seed against SciPy's permutation, t and binomial tests."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from kaffect.errors import ConfigError, DatasetError
from kaffect.metrics import seed_comparison, sign_flip_test


def pair(seed: int, count: int):
    generator = np.random.default_rng(seed)
    return generator.normal(0.3, 1, count), generator.normal(0, 1, count)


@pytest.mark.parametrize("count", [2, 3, 5, 8, 11])
def test_equals_scipy(count: int) -> None:
    first, second = pair(count, count)
    found = seed_comparison(first, second, level=0.9)
    wanted = stats.permutation_test(
        (first - second,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert found.p_value == pytest.approx(wanted.pvalue, rel=1e-12)
    interval = stats.ttest_rel(first, second).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-9)
    wins = int((first > second).sum())
    exact = stats.binomtest(wins, count).proportion_ci(0.9)
    assert found.first_higher == wins / count
    assert (found.first_higher_low, found.first_higher_high) == pytest.approx(tuple(exact))
    assert found.deviation == pytest.approx(np.std(first - second, ddof=1))


def test_all_sign_patterns_by_hand() -> None:
    for count in (1, 2, 3, 4, 7):
        # Small whole numbers make many ties, also between the two halves of the count.
        values = np.random.default_rng(count).integers(-3, 4, count) * 0.1
        signs = np.array([*itertools.product((-1, 1), repeat=count)])
        wanted = np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-9)
        assert sign_flip_test(values) == wanted


def test_what_n_seeds_can_show() -> None:
    for count in range(1, 9):
        found = seed_comparison(np.arange(count) + 1.0, np.zeros(count))
        assert found.p_value == found.smallest_p == 2 / 2**count
        assert (found.smallest_p <= 0.05) == (count >= 6)
    assert seed_comparison([0.1] * 40, [0.0] * 40).p_value == 2 / 2**40


def test_forty_seeds_are_counted_exactly() -> None:
    # With equal sizes the p-value is a binomial probability: 25 of 40 positive.
    values = np.where(np.arange(40) < 25, 0.1, -0.1)
    assert sign_flip_test(values) == pytest.approx(stats.binomtest(25, 40).pvalue, rel=1e-9)


def test_ties_and_one_seed() -> None:
    found = seed_comparison([1.0, 2.0, 3.0, 0.0], [1.0, 1.0, 1.0, 1.0])
    assert (found.first_higher, found.difference) == (0.625, 0.5)
    same = seed_comparison([0.5, 0.5], [0.5, 0.5])
    assert (same.p_value, same.first_higher, same.low, same.high) == (1.0, 0.5, 0.0, 0.0)
    one = seed_comparison([0.9], [0.1])
    assert (one.deviation, one.low, one.high, one.p_value) == (None, None, None, 1.0)
    assert (one.first_higher_low, one.first_higher_high) == pytest.approx((0.025, 1.0))


@pytest.mark.parametrize(
    ("first", "second"),
    [([], []), ([1.0], [1.0, 2.0]), ([math.nan], [0.0]), ([0.0] * 41, [1.0] * 41), (1.0, 2.0)],
)
def test_bad_input(first: list, second: list) -> None:
    with pytest.raises(DatasetError, match="Scores by seed") as caught:
        seed_comparison(first, second)
    assert "\n" not in str(caught.value)


def test_bad_level_and_count() -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        seed_comparison([1.0], [0.0], level=0.0)
    with pytest.raises(DatasetError, match="1 to 40"):
        sign_flip_test([])
