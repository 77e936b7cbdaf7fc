"""The Action Unit losses against NumPy, masked and weighted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from kaffect.losses import (
    mse_of_probabilities,
    sigmoid_cross_entropy,
)


def gradient(loss, labels, logits, mask, **extra):
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = loss(labels, logits, mask, **extra)
    return value.numpy(), tf.convert_to_tensor(tape.gradient(value, logits)).numpy()


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
