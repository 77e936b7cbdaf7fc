"""Thresholds of units that give the best F1, against trying every cut (second study)."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from kaffect.errors import DatasetError
from kaffect.metrics import best_logit_thresholds, best_thresholds
from kaffect.metrics.thresholds import probabilities


def all_f1(true: np.ndarray, given: np.ndarray) -> list[float]:
    """F1 at every cut that makes a difference, by trying each."""
    cuts = np.concatenate([[-1.0], np.unique(given)])
    return [f1_score(true, given > cut, zero_division=0.0) for cut in cuts]


@pytest.mark.parametrize("case", range(6))
def test_thresholds_reach_the_best_f1_there_is(case):
    rng = np.random.default_rng(case)
    true = (rng.random((40, 3)) < [0.05, 0.4, 0.9]).astype(int)
    true[0] = 1
    given = np.clip(true * 0.2 + rng.random((40, 3)) * 0.8, 0.01, 0.99)
    if case % 2:
        given = given.round(1)  # many equal values
    found = best_thresholds(true, given)
    for unit in range(3):
        reached = f1_score(true[:, unit], given[:, unit] > found[unit], zero_division=0.0)
        assert reached == pytest.approx(max(all_f1(true[:, unit], given[:, unit])))


def test_thresholds_stay_at_a_half_where_nothing_speaks_against_it():
    true = np.array([[0, 0], [0, 0], [1, 0], [1, 0]])
    given = np.array([[0.1, 0.9], [0.2, 0.1], [0.7, 0.2], [0.8, 0.3]])
    np.testing.assert_allclose(best_thresholds(true, given), [0.5, 0.5])
    np.testing.assert_allclose(best_thresholds(true[:, :1], given[:, :1] / 2), [0.225])


def test_the_best_of_two_cuts_by_hand():
    """Naming one frame has F1 2 / 3, naming three 4 / 5; naming all four 2 / 3."""
    given = np.array([[0.9], [0.2], [0.1], [0.05]])
    np.testing.assert_allclose(best_thresholds([[1], [0], [1], [0]], given), [0.075])


def test_thresholds_of_nothing():
    with pytest.raises(DatasetError, match="one shape"):
        best_thresholds(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(DatasetError, match="Probabilities. Expected 0 to 1"):
        best_thresholds([[1], [0]], [[40.0], [0.5]])


def test_saturated_units_are_told_apart_on_logits():
    """In float64, too, the sigmoid of 38, 40 and 45 is one number."""
    true, logits = [[0], [1], [0]], np.array([[40], [45], [38]], np.float32)
    (cut,) = best_logit_thresholds(true, logits)
    assert 40 < cut < 45
    # Half way between the probabilities: log of (2 - e^-40 - e^-45) / (e^-40 + e^-45).
    assert cut == pytest.approx(40 + np.log(2 / (1 + np.exp(-5))))
    for scale in (-1, 1):  # neighbouring numbers, on either side
        near = np.nextafter(np.float32(scale * 40), np.float32(99))
        (cut,) = best_logit_thresholds([[0], [1]], [[scale * 40.0], [near]])
        assert scale * 40.0 <= cut < near
    # All present: half the lowest probability, in any range.
    np.testing.assert_allclose(best_logit_thresholds([[1]], [[-800.0]]), [[-800 - np.log(2)]][0])
    assert best_logit_thresholds([[1]], [[800.0]]) == 0


def test_tiny_probabilities_are_told_apart():
    true, given = [[0], [1], [1]], [[1e-12], [3e-12], [4e-12]]
    np.testing.assert_allclose(best_thresholds(true, given), [2e-12], rtol=1e-6, atol=0)
    (cut,) = best_logit_thresholds(true, np.log(given))
    assert cut == pytest.approx(np.log(2e-12))


def test_half_way_is_between_the_probabilities():
    """Logits of 0.6 and 0.9: the threshold is the logit of 0.75, which is log 3."""
    logits = np.log([[0.6 / 0.4], [0.9 / 0.1]])
    np.testing.assert_allclose(best_logit_thresholds([[0], [1]], logits), [np.log(3)])


def test_probabilities_without_overflow():
    np.testing.assert_allclose(probabilities(np.array([-1e4, 0.0, 1e4])), [0, 0.5, 1])
    np.testing.assert_allclose(probabilities([-40.0]), [np.exp(-40)], rtol=1e-12)
