"""Fused batch normalisation: value, gradient and moving statistics against Keras and NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.models.normalization import FusedBatchNormalization, statistics_untouched

SHAPES = [(5, 4, 3, 6), (7, 6)]


def _pair(shape: tuple[int, ...], **options: object) -> tuple:
    """Our layer and Keras' own with the same random weights, and an input."""
    generator = np.random.default_rng(len(shape))
    ours, theirs = FusedBatchNormalization(**options), keras.layers.BatchNormalization(**options)
    for layer in (ours, theirs):
        layer.build((None, *shape[1:]))
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    weights = [generator.uniform(0.5, 2.0, w.shape) for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs, generator.normal(3.0, 2.0, shape).astype(np.float32)


def _value_and_gradients(layer: keras.layers.Layer, x: np.ndarray, training: bool) -> list:
    inputs = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = layer(inputs, training=training)
        # A loss whose gradient is neither constant nor along the output.
        loss = tf.reduce_sum(tf.sin(y) * tf.cast(tf.range(tf.size(y)), y.dtype)[: y.shape[-1]])
    return [y, *tape.gradient(loss, [inputs, *[w.value for w in layer.trainable_weights]])]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_value_and_gradient_are_those_of_keras(
    shape: tuple[int, ...], training: bool, affine: bool
) -> None:
    ours, theirs, x = _pair(shape, momentum=0.9, center=affine, scale=affine)
    mine, reference = (_value_and_gradients(layer, x, training) for layer in (ours, theirs))
    assert len(mine) == len(reference) == 2 + 2 * affine
    for a, b in zip(mine, reference):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_moving_variance_is_the_unbiased_one(shape: tuple[int, ...]) -> None:
    layer, theirs, x = _pair(shape, momentum=0.75)
    old_mean, old_variance = (w.numpy() for w in (layer.moving_mean, layer.moving_variance))
    layer(x, training=True)
    theirs(x, training=True)
    values = x.reshape(-1, shape[-1]).astype(np.float64)
    mean = 0.75 * old_mean + 0.25 * values.mean(axis=0)
    unbiased = 0.75 * old_variance + 0.25 * values.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, unbiased, rtol=1e-5)
    # What the difference from Keras is: n / (n - 1) in the part that this batch adds.
    n = len(values)
    added = (theirs.moving_variance.numpy() - 0.75 * old_variance) * n / (n - 1)
    np.testing.assert_allclose(layer.moving_variance, 0.75 * old_variance + added, rtol=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_inference_and_frozen_layers_keep_their_statistics(frozen: bool) -> None:
    layer, _, x = _pair(SHAPES[0])
    layer.trainable = not frozen
    before = [w.numpy() for w in (layer.moving_mean, layer.moving_variance)]
    y = layer(x, training=frozen)
    for old, now in zip(before, (layer.moving_mean, layer.moving_variance)):
        np.testing.assert_array_equal(old, now.numpy())
    gamma, beta = layer.gamma.numpy(), layer.beta.numpy()
    wanted = (x - before[0]) / np.sqrt(before[1] + layer.epsilon) * gamma + beta
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)


def test_statistics_can_be_left_alone_while_the_batch_normalises() -> None:
    layer, _, x = _pair(SHAPES[0])
    before = layer.get_weights()
    with statistics_untouched():
        y = layer(x, training=True)
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights()))
    np.testing.assert_array_equal(y, layer(x, training=True))
    assert not np.array_equal(before[2], layer.get_weights()[2]), "outside, they move again"


@pytest.mark.parametrize(("policy", "digits"), [("mixed_bfloat16", 2e-2), ("mixed_float16", 3e-3)])
def test_half_precision_in_and_out_with_float32_statistics(policy: str, digits: float) -> None:
    exact, _, x = _pair(SHAPES[0])
    layer = FusedBatchNormalization(dtype=policy)
    layer.build((None, *SHAPES[0][1:]))
    layer.set_weights(exact.get_weights())
    y, exact_y = layer(x, training=True), exact(x, training=True)
    assert y.dtype == layer.compute_dtype and y.dtype != "float32"
    assert {w.dtype for w in layer.weights} == {"float32"}
    np.testing.assert_allclose(tf.cast(y, tf.float32), exact_y, atol=4 * digits)
    # Statistics come from the rounded inputs, but are summed and kept in float32.
    rounded = tf.cast(tf.cast(x, layer.compute_dtype), tf.float32).numpy().reshape(-1, 6)
    mean = (layer.moving_mean.numpy() - 0.99 * _initial_mean()) / 0.01
    np.testing.assert_allclose(mean, rounded.mean(axis=0), rtol=1e-3)


def _initial_mean() -> np.ndarray:
    return _pair(SHAPES[0])[0].moving_mean.numpy()


def test_float64_is_the_same_step_by_step() -> None:
    """Against NumPy in float64: value and moving statistics."""
    layer = FusedBatchNormalization(0.9, 1e-5, dtype="float64")
    layer.build((None, 3))
    rng = np.random.default_rng(0)
    x = rng.normal(3.0, 2.0, (7, 3))
    expected = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * x.var(0, ddof=1), rtol=1e-12)
    np.testing.assert_allclose(
        layer(x), (x - layer.moving_mean) / np.sqrt(layer.moving_variance + 1e-5), atol=1e-12
    )


def test_other_ranks_and_integers_are_refused() -> None:
    with pytest.raises(ConfigError, match="Received: 3"):
        FusedBatchNormalization().build((None, 4, 4))
    with pytest.raises(ConfigError, match="int32"):
        FusedBatchNormalization(dtype="int32").build((None, 4))
