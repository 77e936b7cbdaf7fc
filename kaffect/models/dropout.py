"""Dropout that several devices compute as one would (Section IV-B: behind FC 4096)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kaffect.models.batch_share import batch_share


@keras.saving.register_keras_serializable("kaffect")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`; what is dropped depends on the seed, the step and the sample.

    A device that computes a share of a batch (`kaffect.models.batch_share`) draws for the whole
    batch and takes its part of that, so the sample's place in the batch decides and not the
    number of devices. Numbers and variables are those of Keras' layer: the state (seed, number
    of calls) is saved with the network.

    Input and output: [batch, ...], unbounded.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        share = batch_share()
        if share is None or not training or not self.rate:
            return super().call(inputs, training=training)
        shape = tf.shape(inputs)
        # More than 1 where the frames of a sequence have become a batch of their own.
        rows = shape[0] // share.count
        ones = tf.ones(tf.concat([[rows * share.total], shape[1:]], axis=0), inputs.dtype)
        factors = keras.random.dropout(
            ones, self.rate, noise_shape=self.noise_shape, seed=self.seed_generator
        )
        first = rows * share.first
        return inputs * factors[first : first + shape[0]]
