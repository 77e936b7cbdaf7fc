"""Gradient checkpointing: outputs and every gradient are those without it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.models import frame_encoder, join, layers_compute_in, vggface_gru_attention
from kaffect.models.biased import Conv2D, Dense
from kaffect.models.resnet18 import resnet18
from kaffect.training.multitask import MultiTaskTrainer
from kaffect.training.recomputation import call_recomputing, encode_in_parts

# Of the largest value; a sum of parts is rounded elsewhere.
TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "mixed_bfloat16": 0.03}


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


def update(network: keras.Model, images: tf.Tensor, at_once: int) -> list[np.ndarray]:
    """Loss, and the gradient of every weight."""

    @tf.function
    def compute() -> Any:
        with tf.GradientTape() as tape:
            if at_once:
                outputs = call_recomputing(network, images, at_once)
            else:
                outputs = network(images, training=True)
            loss = sum(
                tf.reduce_sum(tf.cast(drawn(2, 3, value.shape[-1]), value.dtype) * value)
                for value in outputs.values()
            )
        return loss, *tape.gradient(loss, [v.value for v in network.trainable_variables])

    return [np.asarray(tf.convert_to_tensor(value), np.float64) for value in compute()]


@pytest.mark.parametrize("policy", list(TOLERANCE))
def test_every_gradient_is_that_without(policy: str) -> None:
    with layers_compute_in(policy):
        pixels = keras.Input((8, 8, 3))
        x = Conv2D(4, 3, padding="same", activation="relu")(pixels)
        x = Dense(6, activation="relu")(keras.layers.Flatten()(keras.layers.MaxPooling2D()(x)))
        encoder = keras.Model(pixels, x, name="frame_encoder")
        states = keras.Input((3, 6))
        y = keras.layers.Dense(2, dtype="float64" if policy == "float64" else "float32")(states)
        head = keras.Model(states, {"valence_arousal": y}, name="sequence_head")
        network = join(encoder, head, 3)
    images = tf.constant(drawn(2, 3, 8, 8, 3))
    plain = update(network, images, 0)
    for at_once in (4, 100):  # parts of 4 and 2 frames; one part
        found = update(network, images, at_once)
        for one, other in zip(found, plain, strict=True):
            scale = np.abs(other).max()
            assert scale > 0
            np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[policy] * scale)


def test_a_trainer_of_vggface_makes_the_same_update() -> None:
    network = vggface_gru_attention(
        2, image_size=32, width=1 / 64, fc_units=4, gru_units=(3,), dropout=0.0, seed=3
    )
    batch = {"images": tf.constant(drawn(2, 2, 32, 32, 3))}

    def losses(_: Any, outputs: Any) -> dict[str, tf.Tensor]:
        return {"loss": sum(tf.reduce_sum(value) for value in outputs.values())}

    found = []
    start = network.get_weights()
    for recompute in (0, 3):
        network.set_weights(start)
        trainer = MultiTaskTrainer(network, losses, inputs="images", recompute=recompute)
        trainer.compile(optimizer=keras.optimizers.SGD(0.01), jit_compile=False)
        logs = trainer.train_step(batch)
        found.append((float(logs["loss"]), float(logs["gradient_norm"]), network.get_weights()))
    np.testing.assert_allclose(found[0][:2], found[1][:2], rtol=1e-5)
    for one, other in zip(found[0][2], found[1][2], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    moved = [not np.array_equal(a, b) for a, b in zip(start, found[1][2])]
    assert sum(moved) > len(moved) / 2


def test_each_part_is_computed_twice_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward and again for the gradient; never more than `at_once` frames."""
    sizes: list[int] = []

    class Seen(keras.layers.Layer):
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            tf.py_function(lambda n: sizes.append(int(n)), [tf.shape(inputs)[0]], [])
            return inputs

    inputs = keras.Input((3,))
    encoder = keras.Model(inputs, keras.layers.Dense(2)(Seen()(inputs)))

    @tf.function(input_signature=[tf.TensorSpec((None, 3))])
    def compute(frames: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(encode_in_parts(encoder, frames, 2))
        return tape.gradient(loss, encoder.trainable_variables[0].value)

    frames = drawn(5, 3)
    expected = np.repeat(frames.sum(0)[:, None], 2, axis=1)
    np.testing.assert_allclose(compute(frames), expected, rtol=1e-5)
    assert sizes == [2, 2, 1] * 2


def test_a_network_that_looks_at_the_whole_batch_is_refused() -> None:
    with pytest.raises(ConfigError, match="each frame by itself"):
        encode_in_parts(resnet18(32, width=1 / 32), tf.zeros((2, 32, 32, 3)), 1)
    encoder = frame_encoder(32, 1 / 64, 4)
    encoder.trainable = False
    frames = drawn(3, 32, 32, 3)
    found = encode_in_parts(encoder, tf.constant(frames), 2)
    np.testing.assert_allclose(found, encoder(frames), rtol=1e-5, atol=1e-6)
