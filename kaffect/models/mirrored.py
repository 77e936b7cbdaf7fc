"""Answers averaged over a picture and its mirror image (single frames; not in the paper).

Both layers do nothing in training, so that a network with them trains as one without.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kaffect.models.recurrence_forward import Tensor


@keras.saving.register_keras_serializable("kaffect")
class WithMirror(keras.layers.Layer):
    """Pictures, and behind them their mirror images: [n, h, w, c] -> [2 n, h, w, c].

    In training the pictures alone.
    """

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        if training:
            return images
        # In floats, the type in which exports may do this (`allowed_operations.json`).
        pixels = tf.cast(images, tf.float32)
        both = tf.concat([pixels, tf.reverse(pixels, [2])], axis=0)
        return tf.cast(both, images.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (None, *input_shape[1:])


@keras.saving.register_keras_serializable("kaffect")
class MeanOfMirrored(keras.layers.Layer):
    """The mean of the first and second half of a batch: [2 n, k] -> [n, k].

    In training the batch as it is.
    """

    def call(self, answers: Tensor, training: bool | None = None) -> Tensor:
        if training:
            return answers
        plain, mirrored = tf.split(answers, 2)
        return (plain + mirrored) * 0.5

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (None, *input_shape[1:])
