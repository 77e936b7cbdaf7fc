"""Cross entropy, both MSE forms and the Action Unit loss against NumPy, masked and weighted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from kaffect.losses import (
    cross_entropy,
    mse_after_softmax,
    mse_before_softmax,
    mse_of_probabilities,
    sigmoid_cross_entropy,
)

LOSSES = [cross_entropy, mse_before_softmax, mse_after_softmax]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def oracle(loss, label: int, logits: np.ndarray) -> float:
    """One frame's loss, by its definition."""
    one_hot = np.eye(len(logits))[label]
    if loss is cross_entropy:
        return -math.log(softmax(logits)[label])
    scores = logits if loss is mse_before_softmax else softmax(logits)
    return float(np.mean((one_hot - scores) ** 2))


def batch(seed: int = 0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (3, 8, 7))
    labels = generator.integers(0, 7, (3, 8)).astype(np.int32)
    mask = generator.random((3, 8)) < 0.6
    return labels, logits, mask


def gradient(loss, labels, logits, mask, **extra):
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(labels, logits, mask, **extra)
    return value.numpy(), tf.convert_to_tensor(tape.gradient(value, logits)).numpy()


def test_hand_worked_numbers() -> None:
    # Two classes, logits ln 3 and 0: probabilities 3/4 and 1/4; the label is class 1.
    logits = np.array([[math.log(3), 0.0]])
    np.testing.assert_allclose(cross_entropy([1], logits), math.log(4), rtol=1e-12)
    np.testing.assert_allclose(mse_after_softmax([1], logits), 9 / 16, rtol=1e-12)
    wanted = (math.log(3) ** 2 + 1) / 2
    np.testing.assert_allclose(mse_before_softmax([1], logits), wanted, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 3.0, 1.0, 0.1, 4.0]])
def test_masked_weighted_mean(loss, weights) -> None:
    labels, logits, mask = batch()
    each = np.array([oracle(loss, label, row) for label, row in zip(labels[mask], logits[mask])])
    share = np.ones(mask.sum()) if weights is None else np.array(weights)[labels[mask]]
    found = loss(labels, logits, mask, class_weights=weights)
    np.testing.assert_allclose(found, (share * each).sum() / share.sum(), rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("label", [-1, 7])
def test_class_out_of_range_is_not_silent(loss, label: int) -> None:
    labels, logits, mask = batch(2)
    labels[tuple(np.argwhere(mask)[0])] = label
    assert np.isnan(loss(labels, logits, mask))


def test_wrong_number_of_class_weights() -> None:
    labels, logits, mask = batch()
    with pytest.raises(ValueError, match="Expected 7"):
        cross_entropy(labels, logits, mask, class_weights=[1.0, 2.0])


def au_batch(seed: int = 0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (4, 5, 8))
    labels = generator.integers(0, 2, (4, 5, 8)).astype(np.float64)
    return labels, logits, generator.random((4, 5)) < 0.6


def au_oracle(labels, logits, positive=1.0) -> np.ndarray:
    probability = 1 / (1 + np.exp(-logits))
    return -(positive * labels * np.log(probability) + (1 - labels) * np.log(1 - probability))


@pytest.mark.parametrize("weights", [None, np.arange(1.0, 9.0)])
def test_au_loss(weights) -> None:
    labels, logits, mask = au_batch()
    wanted = au_oracle(labels, logits, 1.0 if weights is None else weights)
    found = sigmoid_cross_entropy(labels, logits, mask, weights)
    np.testing.assert_allclose(found, wanted[mask].mean(), rtol=1e-12)
    units = np.random.default_rng(1).random(labels.shape) < 0.5
    found = sigmoid_cross_entropy(labels, logits, units, weights)
    np.testing.assert_allclose(found, wanted[units].mean(), rtol=1e-12)


@pytest.mark.parametrize("weights", [None, np.arange(1.0, 9.0)])
def test_mse_of_probabilities(weights) -> None:
    """Errors at label 1 count by their unit's weight, those at label 0 once."""
    labels, logits, mask = au_batch(2)
    errors = (labels - 1 / (1 + np.exp(-logits))) ** 2
    wanted = np.where(labels == 1, errors * (1.0 if weights is None else weights), errors)
    found = mse_of_probabilities(labels, logits, mask, weights)
    np.testing.assert_allclose(found, wanted[mask].mean(), rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_smoothed_label_is_spread_over_all_classes(loss) -> None:
    # Two classes with equal logits of 0 and label 1: targets 0.1 and 0.9, probabilities 1/2.
    wanted = {cross_entropy: math.log(2), mse_before_softmax: (0.1**2 + 0.9**2) / 2,
              mse_after_softmax: 0.4**2}[loss]  # fmt: skip
    np.testing.assert_allclose(loss([1], [[0.0, 0.0]], smoothing=0.2), wanted, rtol=1e-6)


def test_au_loss_takes_smoothed_labels() -> None:
    # Logit 0 is probability 1/2: ln 2 for any target.
    np.testing.assert_allclose(sigmoid_cross_entropy([[0.01, 0.9]], [[0.0, 0.0]]), math.log(2))


def test_au_extreme_logits_stay_finite() -> None:
    logits = np.array([[1e4, -1e4]], np.float32)
    value, found = gradient(sigmoid_cross_entropy, [[0.0, 1.0]], logits, None)
    assert value == 1e4 and np.isfinite(found).all()


def test_au_wrong_number_of_weights() -> None:
    labels, logits, mask = au_batch()
    with pytest.raises(ValueError, match="Expected 8"):
        sigmoid_cross_entropy(labels, logits, mask, [1.0])
