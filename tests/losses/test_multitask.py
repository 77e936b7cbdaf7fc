"""Eq. 6: the weighted sum, single tasks as alpha or beta 0, and missing labels."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.losses import (
    ccc_loss,
    cross_entropy,
    mse_after_softmax,
    mse_loss,
    mse_of_probabilities,
    multitask_loss,
    sigmoid_cross_entropy,
)
from tests import three_tasks


def batch(seed: int = 0):
    rng = np.random.default_rng(seed)
    labels = three_tasks.labels(rng, (3, 10), share=0.6, dtype=np.float32)
    return labels, three_tasks.outputs(rng, (3, 10), dtype=np.float32)


def gradients(labels, outputs, **settings):
    variables = {name: tf.Variable(value) for name, value in outputs.items()}
    with tf.GradientTape() as tape:
        losses = multitask_loss(labels, variables, **settings)
    return losses, tape.gradient(losses["loss"], variables)


def test_weighted_sum() -> None:
    labels, outputs = batch()
    va = (labels["valence_arousal"], outputs["valence_arousal"], labels["valence_arousal_mask"])
    expression = (labels["expression"], outputs["expression_logits"], labels["expression_mask"])
    units = (labels["action_units"], outputs["action_unit_logits"], labels["action_units_mask"])
    found = multitask_loss(labels, outputs, alpha=0.25, beta=0.75)
    wanted = 0.25 * ccc_loss(*va) + 0.75 * cross_entropy(*expression)
    np.testing.assert_allclose(found["loss"], wanted, rtol=1e-6)
    assert set(found) == {"loss", "valence_arousal", "expression"}
    found = multitask_loss(
        labels,
        outputs,
        alpha=1.0,
        beta=0.5,
        va_loss="mse",
        expression_loss="mse_after_softmax",
        action_unit_weight=0.3,
    )
    wanted = mse_loss(*va) + 0.5 * mse_after_softmax(*expression)
    wanted += 0.3 * sigmoid_cross_entropy(*units)
    np.testing.assert_allclose(found["loss"], wanted, rtol=1e-6)


def test_the_loss_of_action_units_is_a_choice() -> None:
    labels, outputs = batch(5)
    units = (labels["action_units"], outputs["action_unit_logits"], labels["action_units_mask"])
    only = {"alpha": 0.0, "beta": 0.0, "action_unit_weight": 0.5, "au_loss": "mse"}
    weights = tuple(range(1, 9))
    found = multitask_loss(labels, outputs, positive_weights=weights, **only)
    wanted = 0.5 * mse_of_probabilities(*units, weights)
    np.testing.assert_allclose(found["loss"], wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "alpha, beta, silent", [(1, 0, "expression_logits"), (0, 1, "valence_arousal")]
)
def test_weight_zero_makes_a_single_task(alpha: int, beta: int, silent: str) -> None:
    labels, outputs = batch(1)
    outputs[silent][:] = np.nan  # not even looked at: 0 * nan would be nan
    losses, found = gradients(labels, outputs, alpha=alpha, beta=beta)
    assert np.isfinite(losses["loss"])
    assert found[silent] is None


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"alpha": 1.5}, "alpha.*1.5"),
        ({"beta": -0.1}, "beta.*-0.1"),
        ({"alpha": 0.0, "beta": 0.0}, "at least one"),
        ({"va_loss": "mae"}, "'ccc', 'mse'.*'mae'"),
        ({"expression_loss": "focal"}, "'cross_entropy'.*'focal'"),
    ],
)
def test_bad_settings(settings, message: str) -> None:
    labels, outputs = batch()
    with pytest.raises(ConfigError, match=message):
        multitask_loss(labels, outputs, **settings)
