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
from kaffect.models.batch_share import batch_share, sum_over_devices

_KERNEL_TYPES = ("float32", "bfloat16", "float16", "float64")
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


def _fused(x: Any, scale: Any, offset: Any, moments: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """Normalised `x` with the mean and the unbiased variance of the batch, in one kernel.

    Args:
        moments: mean and variance to normalise with, or None: those of the batch.
    """
    mean, variance = moments or (tf.constant([], tf.float32), tf.constant([], tf.float32))
    outputs = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=moments is None,
    )
    return outputs.y, outputs.batch_mean, outputs.batch_variance


def _exact(x: Any, scale: Any, offset: Any, moments: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """As `_fused`, step by step."""
    mean, variance = moments or tf.nn.moments(x, [0, 1, 2])
    y = (x - mean) / tf.sqrt(variance + epsilon) * scale + offset
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), x.dtype)
    return y, mean, variance * count / tf.maximum(count - 1.0, 1.0)


@keras.saving.register_keras_serializable("kaffect")
class FusedBatchNormalization(keras.layers.Layer):
    """Batch normalisation over the last axis: (x - mean) / sqrt(variance + epsilon) * gamma + beta.

    Like `keras.layers.BatchNormalization` in value, gradient, weight names and order, with
    one difference: the *moving* variance is fed with the unbiased batch variance (divided
    by n - 1, n values per channel), as in TensorFlow 1; Keras divides by n. What a training
    batch is normalised with is divided by n in both.

    Statistics and weights are float32 under every mixed policy. Under float64, which the fused
    kernel lacks, everything is float64 and computed step by step (a reference to compare with).
    A frozen layer (`trainable=False`) uses its moving statistics, as in Keras. Where several
    devices compute shares of a batch, it is normalised with the moments of the whole batch.

    Args:
        momentum: share of the old value in the moving statistics.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: as in Keras.

    Input and output: [batch, height, width, channels] or [batch, channels], unbounded.

    Raises:
        ConfigError: another rank, or a dtype that is not accepted.
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
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        shared = {"shape": (input_shape[-1],), "dtype": dtype, "autocast": False}
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
        if use_batch and batch_share() is not None:
            return self._normalised_with_the_whole_batch(inputs)
        flat = inputs.shape.rank == 2
        x = inputs[:, tf.newaxis, tf.newaxis, :] if flat else inputs
        mean = tf.convert_to_tensor(self.moving_mean)
        variance = tf.convert_to_tensor(self.moving_variance)
        scale = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(mean)
        offset = tf.convert_to_tensor(self.beta) if self.center else tf.zeros_like(mean)
        normalise = _exact if self.compute_dtype == "float64" else _fused
        moments = None if use_batch else (mean, variance)
        y, batch_mean, batch_variance = normalise(x, scale, offset, moments, self.epsilon)
        if use_batch:
            self._track(batch_mean, batch_variance)
        return y[:, 0, 0, :] if flat else y

    def _track(self, mean: tf.Tensor, unbiased_variance: tf.Tensor) -> None:
        """Move the moving statistics towards those of a batch."""
        if not _tracked.get():
            return
        keep = self.momentum
        for moving, now in (
            (self.moving_mean, mean),
            (self.moving_variance, unbiased_variance),
        ):
            moving.assign(tf.convert_to_tensor(moving) * keep + now * (1.0 - keep))

    def _normalised_with_the_whole_batch(self, inputs: tf.Tensor) -> tf.Tensor:
        """A device's share of the batch; every device gives the same moments to `_track`."""
        values = tf.cast(inputs, tf.float32)
        axes = list(range(values.shape.rank - 1))
        here = tf.cast(tf.reduce_prod(tf.shape(values)[:-1]), tf.float32)
        count = sum_over_devices(here)
        mean = sum_over_devices(tf.reduce_sum(values, axes)) / count
        squares = sum_over_devices(tf.reduce_sum(tf.math.squared_difference(values, mean), axes))
        self._track(mean, squares / tf.maximum(count - 1.0, 1.0))
        normalised = tf.nn.batch_normalization(
            values,
            mean,
            squares / count,
            tf.convert_to_tensor(self.beta) if self.center else None,
            tf.convert_to_tensor(self.gamma) if self.scale else None,
            self.epsilon,
        )
        return tf.cast(normalised, inputs.dtype)

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
