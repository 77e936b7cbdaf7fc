"""Cross entropy and both MSE forms against NumPy, masked, weighted and smoothed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kaffect.losses import (
    cross_entropy,
    mse_after_softmax,
    mse_before_softmax,
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


@pytest.mark.parametrize("loss", LOSSES)
def test_a_smoothed_label_is_spread_over_all_classes(loss) -> None:
    # Two classes with equal logits of 0 and label 1: targets 0.1 and 0.9, probabilities 1/2.
    wanted = {cross_entropy: math.log(2), mse_before_softmax: (0.1**2 + 0.9**2) / 2,
              mse_after_softmax: 0.4**2}[loss]  # fmt: skip
    np.testing.assert_allclose(loss([1], [[0.0, 0.0]], smoothing=0.2), wanted, rtol=1e-6)
