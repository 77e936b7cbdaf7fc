"""The bias gradient of layers in bfloat16 against the same sum in float64."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.models.biased import Conv2D, Conv2DTranspose, Dense

LAYERS: dict[str, Callable[[str], keras.layers.Layer]] = {
    "convolution": lambda dtype: Conv2D(3, 1, activation="relu", dtype=dtype),
    "transposed": lambda dtype: Conv2DTranspose(3, 1, dtype=dtype),
    "dense": lambda dtype: Dense(3, dtype=dtype),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16", "float32"])
def test_a_bias_gradient_keeps_its_digits(name: str, dtype: str) -> None:
    """Summed over 4,096 places, where a sum in bfloat16 stops growing."""
    layer = LAYERS[name](dtype)
    x = np.random.default_rng(0).uniform(0.5, 1.5, (1, 64, 64, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        outputs = layer(x, training=True)
        layer.bias.assign([3.0, 3.0, 3.0])  # no unit is cut off by the ReLU
        outputs = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32)[..., 0])
    gradient = tape.gradient(loss, layer.bias.value)
    np.testing.assert_allclose(gradient, [4096.0, 0.0, 0.0], rtol=5e-3)


@pytest.mark.parametrize("name", LAYERS)
def test_training_and_inference_give_the_same(name: str) -> None:
    layer = LAYERS[name]("mixed_bfloat16")
    x = np.random.default_rng(1).normal(size=(2, 5, 5, 4)).astype(np.float32)
    layer.build(x.shape)
    layer.bias.assign([0.5, -0.25, 1.0])
    trained = tf.cast(layer(x, training=True), tf.float32)
    np.testing.assert_allclose(trained, tf.cast(layer(x), tf.float32), rtol=0, atol=0.02)


@pytest.mark.parametrize("name", LAYERS)
def test_without_bias_and_written_down(name: str) -> None:
    made = LAYERS[name]("mixed_bfloat16")
    settings = {**made.get_config(), "use_bias": False}
    layer = type(made).from_config(settings)
    assert layer(np.ones((1, 2, 2, 4)), training=True).dtype == tf.bfloat16
    assert len(layer.weights) == 1
