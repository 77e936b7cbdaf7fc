"""Eq. 4-5 against hand-worked numbers, a NumPy oracle, and the inputs that make 0/0."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kaffect.losses import ccc_loss, concordance, mse_loss


def oracle(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Eq. 5 for one column, from the covariance matrix, float64."""
    (var_true, covariance), (_, var_pred) = np.cov(
        np.stack([y_true, y_pred]).astype(np.float64), bias=True
    )
    bias = y_true.mean(dtype=np.float64) - y_pred.mean(dtype=np.float64)
    return 2 * covariance / (var_true + var_pred + bias**2)


def gradient(loss, y_true, y_pred, mask=None):
    y_pred = tf.Variable(y_pred)
    with tf.GradientTape() as tape:
        value = loss(y_true, y_pred, mask)
    return value.numpy(), tf.convert_to_tensor(tape.gradient(value, y_pred)).numpy()


def batch(seed: int, shape=(10, 80, 2), dtype=np.float64):
    generator = np.random.default_rng(seed)
    y_true = generator.uniform(-1, 1, shape)
    y_pred = 0.6 * y_true + generator.normal(0.1, 0.3, shape)
    mask = generator.random(shape[:-1]) < 0.6
    return y_true.astype(dtype), y_pred.astype(dtype), mask


def test_hand_worked_example() -> None:
    # Valence: labels 0, 1, 2 against 0, 2, 4: means 1 and 2, variances 2/3 and 8/3,
    # covariance 4/3: 2 * 4/3 / (2/3 + 8/3 + 1) = 8/13. Arousal: perfect, 1.
    y_true = np.array([[0, 0.1], [1, 0.2], [2, 0.4]])
    y_pred = np.array([[0, 0.1], [2, 0.2], [4, 0.4]])
    np.testing.assert_allclose(concordance(y_true, y_pred), [8 / 13, 1], rtol=1e-12)
    np.testing.assert_allclose(ccc_loss(y_true, y_pred), 1 - (8 / 13 + 1) / 2, rtol=1e-12)


def test_all_frames_of_the_batch_count_together() -> None:
    y_true, y_pred, mask = batch(0)
    wanted = 1 - np.mean([oracle(y_true[mask][:, i], y_pred[mask][:, i]) for i in (0, 1)])
    np.testing.assert_allclose(ccc_loss(y_true, y_pred, mask), wanted, rtol=1e-12)
    per_sequence = np.mean([ccc_loss(y_true[i], y_pred[i], mask[i]) for i in range(10)])
    assert abs(per_sequence - wanted) > 1e-3  # the mean of ten CCCs is another number


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(-2, 2),
    st.floats(0.05, 3),
    st.sampled_from([np.float32, np.float64]),
)
def test_equals_the_oracle(seed: int, offset: float, scale: float, dtype) -> None:
    y_true, y_pred, mask = batch(seed, (2, 40, 2), dtype)
    y_pred = (y_pred * scale + offset).astype(dtype)
    wanted = 1 - np.mean([oracle(y_true[mask][:, i], y_pred[mask][:, i]) for i in (0, 1)])
    tolerance = 1e-12 if dtype == np.float64 else 3e-6
    np.testing.assert_allclose(ccc_loss(y_true, y_pred, mask), wanted, atol=tolerance)


@pytest.mark.parametrize("target", [0.01, 0.0, -1.0, 1e4])
def test_constant_target_has_loss_one_and_no_gradient(target: float) -> None:
    _, y_pred, _ = batch(2, dtype=np.float32)
    value, found = gradient(ccc_loss, np.full(y_pred.shape, target, np.float32), y_pred)
    assert value == 1.0
    assert not found.any()


def test_degenerate_inputs_stay_finite() -> None:
    y_true, y_pred, _ = batch(3, (4, 5, 2), np.float32)
    ones = np.ones_like(y_true)
    cases = [
        (y_true, 0.3 * ones),
        (0.3 * ones, 0.3 * ones),
        (y_true, 1e4 * y_pred),
        (y_true, -1e4 * ones),
        (y_true[:1, :1], y_pred[:1, :1]),
        (y_true, 1e-6 * y_pred),
    ]
    for labels, predictions in cases:
        for loss in (ccc_loss, mse_loss):
            value, found = gradient(loss, labels, predictions)
            assert np.isfinite(value) and np.isfinite(found).all()
    constant, _ = gradient(ccc_loss, 0.3 * ones, 0.3 * ones)
    assert constant == 1.0  # 0/0 counts as CCC 0


def test_constant_prediction_is_pulled_towards_the_labels() -> None:
    y_true, _, _ = batch(4)
    _, found = gradient(ccc_loss, y_true, np.zeros_like(y_true))
    for column in (0, 1):
        assert np.corrcoef(-found[..., column].ravel(), y_true[..., column].ravel())[0, 1] > 0.999


def test_mse_is_the_average_of_the_two() -> None:
    y_true, y_pred, mask = batch(9)
    squares = (y_true - y_pred)[mask] ** 2
    wanted = (squares[:, 0].mean() + squares[:, 1].mean()) / 2
    np.testing.assert_allclose(mse_loss(y_true, y_pred, mask), wanted, rtol=1e-12)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        ccc_loss(np.zeros((5, 2)), np.zeros((4, 2)))
