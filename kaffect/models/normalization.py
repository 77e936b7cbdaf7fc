"""Batch normalisation (Tables V-VIII, ResNet-18) in TensorFlow's fused kernel.

Keras 3's own layer computes the moments step by step, in float32, and keeps
every step for the gradient. `FusedBatchNormV3` does all of it in one kernel and
reads and writes bfloat16 or float16 directly.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received

_KERNEL_TYPES = ("float32", "bfloat16", "float16")
_tracked = contextvars.ContextVar("moving_statistics_tracked", default=True)


@contextlib.contextmanager
def statistics_untouched() -> Iterator[None]:
    """Inside, `training=True` normalises with the batch but updates no moving statistics.

    Decided where the call is written (when a `tf.function` is traced), not where it runs.
    """
    token = _tracked.set(False)
    try:
        yield
    finally:
        _tracked.reset(token)


@keras.saving.register_keras_serializable("kaffect")
class FusedBatchNormalization(keras.layers.Layer):
    """Batch normalisation over the last axis: (x - mean) / sqrt(variance + epsilon) * gamma + beta.

    Like `keras.layers.BatchNormalization` in value, gradient, weight names and order, with
    one difference: the *moving* variance is fed with the unbiased batch variance (divided
    by n - 1, n values per channel), as in TensorFlow 1; Keras divides by n. What a training
    batch is normalised with is divided by n in both.

    Statistics and weights are float32 under every precision policy. A frozen layer
    (`trainable=False`) uses its moving statistics, as in Keras.

    Args:
        momentum: share of the old value in the moving statistics.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: as in Keras.

    Input and output: [batch, height, width, channels] or [batch, channels].

    Raises:
        ConfigError: another rank, or a dtype that the kernel does not compute in (float64).
    """

    def __init__(
        self,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = keras.initializers.get(beta_initializer)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)

    def build(self, input_shape: Any) -> None:
        if len(input_shape) not in (2, 4):
            raise ConfigError(
                expected_received("Rank of a normalised tensor", (2, 4), len(input_shape))
            )
        if self.compute_dtype not in _KERNEL_TYPES:
            raise ConfigError(
                expected_received("dtype of fused normalisation", _KERNEL_TYPES, self.compute_dtype)
            )
        # autocast off: under mixed precision the kernel takes these four in float32.
        shared = {"shape": (input_shape[-1],), "dtype": "float32", "autocast": False}
        if self.scale:
            self.gamma = self.add_weight(name="gamma", initializer=self.gamma_initializer, **shared)
        if self.center:
            self.beta = self.add_weight(name="beta", initializer=self.beta_initializer, **shared)
        self.moving_mean = self.add_weight(
            name="moving_mean", initializer="zeros", trainable=False, **shared
        )
        self.moving_variance = self.add_weight(
            name="moving_variance", initializer="ones", trainable=False, **shared
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        use_batch = bool(training) and self.trainable
        flat = inputs.shape.rank == 2
        x = inputs[:, tf.newaxis, tf.newaxis, :] if flat else inputs
        mean = tf.convert_to_tensor(self.moving_mean)
        variance = tf.convert_to_tensor(self.moving_variance)
        outputs = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(mean),
            offset=tf.convert_to_tensor(self.beta) if self.center else tf.zeros_like(mean),
            mean=tf.constant([], tf.float32) if use_batch else mean,
            variance=tf.constant([], tf.float32) if use_batch else variance,
            epsilon=self.epsilon,
            is_training=use_batch,
        )
        if use_batch and _tracked.get():
            keep = self.momentum
            self.moving_mean.assign(mean * keep + outputs.batch_mean * (1.0 - keep))
            self.moving_variance.assign(variance * keep + outputs.batch_variance * (1.0 - keep))
        return outputs.y[:, 0, 0, :] if flat else outputs.y

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": keras.initializers.serialize(self.beta_initializer),
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
        }
