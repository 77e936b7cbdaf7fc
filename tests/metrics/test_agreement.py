"""Fleiss' kappa and intraclass correlation against published examples and two other packages."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kaffect.errors import DatasetError
from kaffect.metrics.agreement import fleiss_kappa, icc, rating_counts

# The worked example of the encyclopedias: 14 raters, 10 subjects, 5 classes, kappa 0.210.
FOURTEEN = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# Shrout and Fleiss 1979, Table 2: six targets, four judges; ICC(2,1) .29, ICC(3,1) .71.
FOUR_JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_kappa_of_the_published_example() -> None:
    assert fleiss_kappa(FOURTEEN) == pytest.approx(0.20993, abs=5e-6)


def test_kappa_by_hand() -> None:
    """Three raters, two frames: P = (1 + 1/3) / 2, shares 4/6 and 2/6, chance 5/9."""
    counts = rating_counts([[0, 1], [0, 1], [0, 0]], 2)
    assert counts.tolist() == [[3, 0], [1, 2]]
    assert fleiss_kappa(counts) == pytest.approx((2 / 3 - 5 / 9) / (4 / 9))


@pytest.mark.parametrize(
    "seed,raters,frames,classes,expected",  # statsmodels 0.15.0, fleiss_kappa(method="fleiss")
    [
        (0, 3, 40, 7, 0.302439823153758),
        (1, 3, 60, 2, 0.266576120508705),
        (2, 8, 30, 4, 0.3255688515092794),
    ],
)
def test_kappa_as_statsmodels(
    seed: int, raters: int, frames: int, classes: int, expected: float
) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, frames)
    shape = (raters, frames)
    ratings = np.where(rng.random(shape) < 0.6, truth, rng.integers(0, classes, shape))
    assert fleiss_kappa(rating_counts(ratings, classes)) == pytest.approx(expected, abs=1e-12)


def test_kappa_at_its_ends() -> None:
    assert fleiss_kappa([[3, 0], [0, 3]]) == 1
    assert fleiss_kappa([[1, 1], [1, 1]]) == pytest.approx(-1)
    for nothing in (np.zeros((0, 2)), [[3, 0], [3, 0]]):
        assert math.isnan(fleiss_kappa(nothing))
    for wrong in ([[3, 0], [2, 0]], [[1, 0]], [3, 0], [[4, -1]]):
        with pytest.raises(DatasetError):
            fleiss_kappa(wrong)


def test_icc_of_the_published_example() -> None:
    found = icc(FOUR_JUDGES)
    assert (round(found["absolute"], 2), round(found["consistency"], 2)) == (0.29, 0.71)


@pytest.mark.parametrize(
    "seed,frames,raters,absolute,consistency",  # pingouin 0.7.0, ICC(A,1) and ICC(C,1)
    [
        (10, 25, 3, 0.7244527820618696, 0.7473648697773162),
        (11, 60, 8, 0.7043829665813198, 0.7656122157876538),
    ],
)
def test_icc_as_pingouin(
    seed: int, frames: int, raters: int, absolute: float, consistency: float
) -> None:
    rng = np.random.default_rng(seed)
    ratings = rng.normal(size=(frames, 1)) + rng.normal(size=(frames, raters)) * 0.5
    ratings += rng.normal(size=raters) * 0.3
    found = icc(ratings)
    assert found["absolute"] == pytest.approx(absolute, abs=1e-12)
    assert found["consistency"] == pytest.approx(consistency, abs=1e-12)


def test_icc_at_its_ends() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(50, 1))
    assert icc(np.repeat(truth, 3, axis=1)) == {"absolute": 1, "consistency": 1}
    shifted = icc(truth + np.array([0, 1, 2]))
    assert shifted["consistency"] == pytest.approx(1) and shifted["absolute"] < 0.7
    for nothing in (np.zeros((5, 3)), truth, truth[:1], np.zeros((0, 3))):
        assert all(math.isnan(value) for value in icc(nothing).values())
    with pytest.raises(DatasetError):
        icc(np.zeros(4))
