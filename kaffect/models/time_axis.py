"""Frames of sequences as one batch of images, and back (Section IV-B: the CNN sees frames)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kaffect.models.recurrence_forward import Tensor


@keras.saving.register_keras_serializable("kaffect")
class FoldTime(keras.layers.Layer):
    """[batch, time, ...] -> [batch * time, ...], of the same type (images may be uint8)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, sequences: Tensor) -> Tensor:
        return tf.reshape(sequences, [-1, *sequences.shape[2:]])

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, time = input_shape[:2]
        frames = None if batch is None or time is None else batch * time
        return (frames, *input_shape[2:])

    def compute_output_spec(self, sequences: Any) -> keras.KerasTensor:
        shape = self.compute_output_shape(sequences.shape)
        return keras.KerasTensor(shape, dtype=sequences.dtype)


@keras.saving.register_keras_serializable("kaffect")
class UnfoldTime(keras.layers.Layer):
    """[batch * time, n] and any [batch, time, ...] -> [batch, time, n].

    The second tensor only tells the length, which is unknown when a network for any length is
    built.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, frames_and_sequences: list[Tensor]) -> Tensor:
        frames, sequences = frames_and_sequences
        size = tf.shape(sequences)
        result = tf.reshape(frames, [size[0], size[1], frames.shape[-1]])
        result.set_shape([*sequences.shape[:2], frames.shape[-1]])
        return result

    def compute_output_shape(self, input_shape: Any) -> Any:
        frames, sequences = input_shape
        return (*sequences[:2], frames[-1])

    def compute_output_spec(self, frames_and_sequences: Any) -> keras.KerasTensor:
        frames, sequences = frames_and_sequences
        shape = self.compute_output_shape((frames.shape, sequences.shape))
        return keras.KerasTensor(shape, dtype=frames.dtype)
