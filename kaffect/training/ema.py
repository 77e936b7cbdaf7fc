"""Exponential moving average of weights (not in the paper).

GANs circle around their equilibrium, and the average of the path gives the calmer pictures;
networks of single frames (`train.ema`) read faces better with it.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class ExponentialMovingAverage:
    """Keeps average = decay * average + (1 - decay) * weight for every weight of `model`.

    The decay of update n is min(decay, (1 + n) / (10 + n)), so that the initial
    weights are soon forgotten. Moving statistics of batch normalisation are
    averaged like weights.

    Args:
        model: built; its floating-point variables are followed, in their order.
        decay: in [0, 1).
        into: a network built like `model`, whose weights become the averages; without one they
            are kept here.
    """

    def __init__(self, model: keras.Model, decay: float, into: keras.Model | None = None) -> None:
        self.model = model
        self.decay = decay
        self.count = keras.Variable(0, trainable=False, dtype="int32", name="average_count")
        self.into = into
        if into is not None:
            self.averages = self._followed(into)
            self.restart()
            return
        self.averages = [
            # A copy: Keras would take over a variable itself, and average nothing.
            keras.Variable(tf.identity(v.value), trainable=False, name=f"average_{i}")
            for i, v in enumerate(self._followed(model))
        ]

    @staticmethod
    def _followed(model: keras.Model) -> list[Any]:
        return [v for v in model.variables if v.dtype == "float32"]

    @property
    def variables(self) -> list[Any]:
        """For checkpoints: those that no network has."""
        return [*(self.averages if self.into is None else ()), self.count]

    def restart(self) -> None:
        """Begin with the weights as they are now, as if the model were new."""
        for average, variable in zip(self.averages, self._followed(self.model)):
            average.assign(variable.value)
        self.count.assign(0)

    def update(self) -> None:
        """Take the model's weights as they are now into the average; usable in a `tf.function`."""
        n = tf.cast(self.count.value, tf.float32)
        gain = 1.0 - tf.minimum(self.decay, (1.0 + n) / (10.0 + n))
        for average, variable in zip(self.averages, self._followed(self.model)):
            average.assign_add((tf.convert_to_tensor(variable) - average.value) * gain)
        self.count.assign_add(1)

    def copy_to(self, model: keras.Model) -> None:
        """Give `model`, built like the one followed, the averaged weights."""
        for average, variable in zip(self.averages, self._followed(model)):
            variable.assign(average.value)
