"""Gradient checkpointing for end-to-end training (Section IV-C.2: the whole VGG-Face is trained).

A step of 800 frames keeps every activation of the CNN until its gradient is computed: many
gigabytes. Here the CNN sees a few frames at a time, keeps their features alone, and computes their
activations again for the gradient (T. Chen et al., arXiv:1604.06174): memory for a few frames, at
the price of one more forward pass. Values are the same; weight gradients are summed part by part
and differ by rounding.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received


def encode_in_parts(encoder: keras.Model, frames: tf.Tensor, at_once: int) -> tf.Tensor:
    """`encoder(frames, training=True)`, differentiable in the encoder's weights alone.

    Args:
        encoder: [n, ...] -> [n, features], each frame by itself: no normalisation over the batch
            and no dropout.
        frames: [n, ...], n of any size, known or not.
        at_once: frames whose activations are kept at a time.

    Returns:
        [n, features].

    Raises:
        ConfigError: the encoder has statistics or random numbers of its own.
    """
    if encoder.non_trainable_variables and encoder.trainable_variables:
        what = "an encoder whose activations are computed again"
        accepted = "one that sees each frame by itself (train.recompute is for VGG-Face)"
        raise ConfigError(expected_received(what, accepted, encoder.name))
    trained = [tf.convert_to_tensor(v.value) for v in encoder.trainable_variables]
    fixed = [tf.convert_to_tensor(v.value) for v in encoder.non_trainable_variables]
    parts = -(-tf.shape(frames)[0] // at_once)

    def part(values: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        return values[number * at_once : (number + 1) * at_once]

    def features_of(weights: list[tf.Tensor], images: tf.Tensor) -> tf.Tensor:
        features, _ = encoder.stateless_call(weights, fixed, images, training=True)
        return features

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def encoded(*weights: tf.Tensor) -> Any:
        dtype, width = encoder.compute_dtype, encoder.output_shape[-1]
        found = tf.TensorArray(dtype, parts, infer_shape=False, element_shape=(None, width))
        _, found = tf.while_loop(
            lambda number, _: number < parts,
            lambda number, into: (
                number + 1,
                into.write(number, features_of(list(weights), part(frames, number))),
            ),
            (tf.constant(0), found),
            parallel_iterations=1,
        )

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            def add(number: tf.Tensor, sums: list[tf.Tensor]) -> tuple[Any, ...]:
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(weights)
                    features = features_of(list(weights), part(frames, number))
                found = tape.gradient(features, weights, part(upstream, number))
                return number + 1, [s + g for s, g in zip(sums, found, strict=True)]

            _, sums = tf.while_loop(
                lambda number, _: number < parts,
                add,
                (tf.constant(0), [tf.zeros_like(weight) for weight in weights]),
                parallel_iterations=1,
            )
            return sums

        return found.concat(), gradient

    return encoded(*trained)


def call_recomputing(network: keras.Model, sequences: tf.Tensor, at_once: int) -> Any:
    """`network(sequences, training=True)` of `kaffect.models.join`, its CNN by `encode_in_parts`.

    Args:
        network: with the layers "frame_encoder" and "sequence_head".
        sequences: [batch, time, height, width, 3].
        at_once: frames whose activations are kept at a time.

    Returns:
        The head's outputs.
    """
    shape = tf.shape(sequences)
    frames = tf.reshape(sequences, tf.concat([[-1], shape[2:]], 0))
    frames.set_shape([None, *sequences.shape[2:]])
    features = encode_in_parts(network.get_layer("frame_encoder"), frames, at_once)
    features = tf.reshape(features, [shape[0], shape[1], features.shape[-1]])
    features.set_shape([*sequences.shape[:2], features.shape[-1]])
    return network.get_layer("sequence_head")(features, training=True)
