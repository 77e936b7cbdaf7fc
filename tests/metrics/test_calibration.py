"""Calibration error and temperature against counts by hand, loops and a grid."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from kaffect.errors import DatasetError
from kaffect.metrics.calibration import best_temperature, expected_calibration_error, reliability


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def drawn(seed: int, temperature: float, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(z), and z * temperature: too sure by that factor."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, 5))
    labels = [rng.choice(5, p=share) for share in softmax(logits)]
    return np.array(labels), logits * temperature


def test_four_answers_by_hand() -> None:
    """Confidences 0.9, 0.9, 0.6, 0.6: two bins, right 1 of 2 and 2 of 2."""
    logits = np.log([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.4, 0.6]])
    found = expected_calibration_error([0, 0, 0, 1], logits, bins=10)
    assert found == pytest.approx(0.5 * abs(0.9 - 0.5) + 0.5 * abs(0.6 - 1.0))


def test_the_error_is_that_of_a_loop_over_bins() -> None:
    labels, logits = drawn(0, 2.0)
    shares = softmax(logits)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    error = 0.0
    for low in np.arange(15) / 15:
        own = (sure > low) & (sure <= low + 1 / 15)
        if own.any():
            error += own.mean() * abs(sure[own].mean() - right[own].mean())
    assert expected_calibration_error(labels, logits) == pytest.approx(error, abs=1e-12)


def test_bins_are_those_of_scikit_learn() -> None:
    labels, logits = drawn(1, 1.5)
    shares = softmax(logits)
    right = (shares.argmax(axis=1) == labels).astype(int)
    accuracy, confidence = calibration_curve(right, shares.max(axis=1), n_bins=15)
    found = reliability(labels, logits)
    filled = found.count > 0
    np.testing.assert_allclose(found.accuracy[filled], accuracy)
    np.testing.assert_allclose(found.confidence[filled], confidence)
    assert found.count.sum() == len(labels)


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_the_temperature_is_the_factor_by_which_logits_are_too_large(factor: float) -> None:
    labels, logits = drawn(2, factor)
    found = best_temperature(labels, logits)
    grid = np.exp(np.linspace(np.log(0.2), np.log(5), 81))
    rows = np.arange(len(labels))
    losses = [-np.log(softmax(logits / t)[rows, labels]).mean() for t in grid]
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=0.05)
    assert found == pytest.approx(factor, rel=0.08)
    before, after = (expected_calibration_error(labels, z) for z in (logits, logits / found))
    assert after < 0.03 and (factor == 1.0 or before > 3 * after)


def test_what_can_only_be_right_or_wrong_ends_the_search() -> None:
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert best_temperature([0, 1], sure) < 0.1
    assert best_temperature([1, 0], sure) > 40


@pytest.mark.parametrize(
    ("labels", "logits"), [([], np.zeros((0, 2))), ([0], [0.1, 0.2]), ([0, 1], [[0.1, 0.2]])]
)
def test_other_shapes_are_rejected(labels: list, logits: object) -> None:
    with pytest.raises(DatasetError, match=r"Labels and logits. Expected \[n\] and"):
        reliability(labels, logits)
