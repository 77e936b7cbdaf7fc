"""The whole-set CCC against hand-worked numbers, another formula, and Keras' namesake."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaffect.errors import DatasetError
from kaffect.metrics import ccc, ccc_per_video


def oracle(y_true, y_pred) -> float:
    """Lin's other form, with exactly rounded sums: 1 - E[(x - y)^2] / (var x + var y + bias^2)."""
    n = len(y_true)
    mean_true, mean_pred = math.fsum(y_true) / n, math.fsum(y_pred) / n
    var_true = math.fsum((float(x) - mean_true) ** 2 for x in y_true) / n
    var_pred = math.fsum((float(y) - mean_pred) ** 2 for y in y_pred) / n
    error = math.fsum((float(x) - float(y)) ** 2 for x, y in zip(y_true, y_pred, strict=True)) / n
    return 1 - error / (var_true + var_pred + (mean_true - mean_pred) ** 2)


def frames(seed: int, count: int = 200):
    generator = np.random.default_rng(seed)
    y_true = generator.uniform(-1, 1, (count, 2))
    return y_true, 0.6 * y_true + generator.normal(0.1, 0.3, (count, 2))


def test_hand_worked_example() -> None:
    # Means 1 and 2, population variances 2/3 and 8/3, covariance 4/3: 8/13. With 1/(N-1): 16/23.
    assert ccc([0, 1, 2], [0, 2, 4]) == pytest.approx(8 / 13, rel=1e-14)
    assert ccc([0, 1, 2], [2, 1, 0]) == pytest.approx(-1, rel=1e-14)
    assert isinstance(ccc([0.0, 1.0], [0.0, 1.0]), float)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 300), st.floats(-1e4, 1e4), st.floats(1e-3, 1e3))
def test_equals_the_oracle(seed: int, count: int, offset: float, scale: float) -> None:
    y_true, y_pred = frames(seed, count)
    y_true, y_pred = y_true * scale + offset, y_pred * scale + offset
    found = ccc(y_true, y_pred)
    assert found.shape == (2,)
    wanted = [oracle(y_true[:, i], y_pred[:, i]) for i in (0, 1)]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_float32_inputs_are_computed_in_float64() -> None:
    y_true, y_pred = (x.astype(np.float32) for x in frames(1, 20_000))
    wanted = [oracle(y_true[:, i], y_pred[:, i]) for i in (0, 1)]
    np.testing.assert_allclose(ccc(y_true, y_pred), wanted, rtol=1e-12)


@pytest.mark.parametrize("constant", [0.1, 0.0, -1e4, 1 / 3])
def test_a_constant_counts_as_zero(constant: float) -> None:
    varied = np.random.default_rng(2).normal(size=1000)
    same = np.full(1000, constant)
    assert ccc(varied, same) == 0.0
    assert ccc(same, varied) == 0.0
    assert ccc(same, same) == 0.0
    assert ccc([0.3], [0.3]) == 0.0


def test_nan_is_not_hidden() -> None:
    assert math.isnan(ccc([0.0, 1.0, math.nan], [0.0, 1.0, 0.5]))


def test_bad_shapes() -> None:
    with pytest.raises(ValueError, match="one shape"):
        ccc(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(DatasetError, match="at least one frame"):
        ccc([], [])


def test_per_video_is_another_number() -> None:
    # Two videos, each a perfect line but with its own offset.
    y_true = np.array([0.0, 0.1, 0.2, 0.8, 0.9, 1.0])
    y_pred = np.array([0.0, 0.1, 0.2, 0.6, 0.7, 0.8])
    video = np.array([4, 4, 4, 9, 9, 9])
    second = oracle(y_true[3:], y_pred[3:])
    assert ccc_per_video(y_true, y_pred, video) == pytest.approx((1 + second) / 2, rel=1e-12)
    assert ccc(y_true, y_pred) > 0.9 > ccc_per_video(y_true, y_pred, video)
    both = ccc_per_video(np.stack([y_true, y_true], 1), np.stack([y_pred, y_true], 1), video)
    np.testing.assert_allclose(both, [(1 + second) / 2, 1], rtol=1e-12)


def test_keras_metric_of_the_same_name_is_something_else() -> None:
    y_true, y_pred = (x.astype(np.float32) for x in frames(3, 100))
    wanted = np.mean(ccc(y_true, y_pred))
    across = keras.metrics.ConcordanceCorrelation()  # valence with arousal, inside each frame
    across.update_state(y_true, y_pred)
    assert abs(float(across.result()) - wanted) > 0.1
    batches = keras.metrics.ConcordanceCorrelation(axis=0)  # mean over batches
    for start in range(0, 100, 10):
        batches.update_state(y_true[start : start + 10], y_pred[start : start + 10])
    assert abs(float(batches.result()) - wanted) > 1e-3
