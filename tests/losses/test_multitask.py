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
    multitask_loss,
    sigmoid_cross_entropy,
)


def batch(seed: int = 0):
    generator = np.random.default_rng(seed)
    shape = (3, 10)
    labels = {
        "valence_arousal": generator.uniform(-1, 1, (*shape, 2)).astype(np.float32),
        "valence_arousal_mask": generator.random(shape) < 0.7,
        "expression": generator.integers(0, 7, shape).astype(np.int32),
        "expression_mask": generator.random(shape) < 0.5,
        "action_units": generator.integers(0, 2, (*shape, 8)).astype(np.float32),
        "action_units_mask": generator.random(shape) < 0.4,
    }
    outputs = {
        "valence_arousal": generator.normal(0, 1, (*shape, 2)).astype(np.float32),
        "expression_logits": generator.normal(0, 1, (*shape, 7)).astype(np.float32),
        "action_unit_logits": generator.normal(0, 1, (*shape, 8)).astype(np.float32),
    }
    return labels, outputs


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


@pytest.mark.parametrize(
    "alpha, beta, silent", [(1, 0, "expression_logits"), (0, 1, "valence_arousal")]
)
def test_weight_zero_makes_a_single_task(alpha: int, beta: int, silent: str) -> None:
    labels, outputs = batch(1)
    outputs[silent][:] = np.nan  # not even looked at: 0 * nan would be nan
    losses, found = gradients(labels, outputs, alpha=alpha, beta=beta)
    assert np.isfinite(losses["loss"])
    assert found[silent] is None


def test_missing_labels_give_exactly_nothing() -> None:
    labels, outputs = batch(2)
    everything = {"alpha": 0.5, "beta": 0.5, "action_unit_weight": 0.5}
    clean, clean_gradient = gradients(labels, outputs, **everything)
    labels["valence_arousal"][~labels["valence_arousal_mask"]] = np.nan
    labels["expression"][~labels["expression_mask"]] = -1
    labels["action_units"][~labels["action_units_mask"]] = np.nan
    losses, found = gradients(labels, outputs, **everything)
    assert losses["loss"] == clean["loss"]
    for output, mask in zip(
        outputs, ("valence_arousal_mask", "expression_mask", "action_units_mask"), strict=True
    ):
        np.testing.assert_array_equal(found[output], clean_gradient[output])
        assert not found[output].numpy()[~labels[mask]].any()
        assert found[output].numpy()[labels[mask]].all()


def test_batch_without_any_label() -> None:
    labels, outputs = batch(3)
    for name in labels:
        if name.endswith("_mask"):
            labels[name][:] = False
    losses, found = gradients(labels, outputs, action_unit_weight=1.0)
    assert losses["loss"].numpy() == 0.0
    assert all(not gradient.numpy().any() for gradient in found.values())


def test_works_compiled() -> None:
    labels, outputs = batch(4)
    wanted = multitask_loss(labels, outputs)["loss"]
    compiled = tf.function(lambda a, b: multitask_loss(a, b)["loss"])
    np.testing.assert_allclose(compiled(labels, outputs), wanted, rtol=1e-6)


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
