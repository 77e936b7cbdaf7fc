"""CCC over a whole set, batch by batch (paper Eq. 5, Section IV-D), as a Keras metric.

`keras.metrics.ConcordanceCorrelation` is something else: by default it
correlates valence with arousal inside each frame, and it averages over batches.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

# Columns of the state: frames, origin, mean and sum of squared deviations of
# labels and predictions, sum of products of deviations.
_COUNT, _ORIGIN_TRUE, _ORIGIN_PRED, _MEAN_TRUE, _MEAN_PRED, _SS_TRUE, _SS_PRED, _SP = range(8)


@keras.saving.register_keras_serializable(package="kaffect")
class ConcordanceCorrelation(keras.metrics.Metric):
    """Mean over the columns of the CCC of all frames seen since the last reset.

    The result does not depend on how the frames were cut into batches: the
    moments are kept in float64 relative to a value of the first batch and merged
    pairwise (Chan, Golub and LeVeque 1983). Under `tf.distribute` every replica fills its
    own row of the state, so that the sum over replicas is the state of all.
    A constant column counts as CCC 0, as in `kaffect.metrics.ccc`; before the
    first frame the result is 0.

    Args:
        dimensions: number of columns; `None` takes it from the first batch. Give it
            when the first batch arrives inside a replica of a distribution strategy.
        name: name of the metric.
        dtype: type of the result, float32 by default.

    Arguments of `update_state`:
        y_true: [..., d] or [n], labels, any unit.
        y_pred: predictions of the same shape and unit.
        sample_weight: [...], weights >= 0 or booleans; frames of weight 0 are ignored, whatever
            they contain. `None`: 1.

    `result()` is a scalar in [-1, 1], `per_dimension()` is [d].
    """

    def __init__(
        self,
        dimensions: int | None = None,
        name: str = "concordance_correlation",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.dimensions = dimensions
        self._direction = "up"
        if dimensions is not None:
            self._build(dimensions)

    def _build(self, dimensions: int) -> None:
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self.moments = self.add_variable(
            shape=(replicas, dimensions, 8), initializer="zeros", dtype="float64", name="moments"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        pred = tf.cast(y_pred, tf.float64)
        true = tf.cast(y_true, tf.float64)
        if not true.shape.is_compatible_with(pred.shape):
            raise ValueError(
                "Labels and predictions must have one shape. "
                f"Received: y_true {true.shape}, y_pred {pred.shape}"
            )
        columns = pred.shape[-1] if pred.shape.rank and pred.shape.rank > 1 else 1
        if not self.variables:
            self._build(columns)
        if columns != self.moments.shape[1]:
            raise ValueError(f"Expected {self.moments.shape[1]} columns. Received: {columns}")
        true, pred = tf.reshape(true, [-1, columns]), tf.reshape(pred, [-1, columns])
        weight = tf.ones(tf.shape(true)[:1], tf.float64)
        if sample_weight is not None:
            weight = tf.reshape(tf.cast(sample_weight, tf.float64), [-1])
            tf.debugging.assert_equal(tf.size(weight), tf.shape(true)[0])
        state = tf.convert_to_tensor(self.moments)
        replica = self._replica()
        row = _merge(state[replica], *_batch(state[replica], true, pred, weight))
        self.moments.assign(tf.tensor_scatter_nd_update(state, [[replica]], row[tf.newaxis]))

    @staticmethod
    def _replica() -> Any:
        context = tf.distribute.get_replica_context()
        return 0 if context is None else context.replica_id_in_sync_group

    def per_dimension(self) -> tf.Tensor:
        """CCC of each column, [d]."""
        if not self.variables:
            return tf.zeros([0], self.dtype)
        return tf.cast(_concordance(tf.convert_to_tensor(self.moments)), self.dtype)

    def result(self) -> tf.Tensor:
        if not self.variables:
            return tf.zeros([], self.dtype)
        return tf.cast(tf.reduce_mean(_concordance(tf.convert_to_tensor(self.moments))), self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {"dimensions": self.dimensions, "name": self.name, "dtype": self.dtype}


def _batch(row: tf.Tensor, true: tf.Tensor, pred: tf.Tensor, weight: tf.Tensor) -> tuple:
    """Moments of one batch about the origin of `row`, or its own largest value if that is empty."""
    counted = (weight > 0)[:, tf.newaxis]
    true, pred = (tf.where(counted, x, tf.zeros_like(x)) for x in (true, pred))
    count = tf.reduce_sum(weight)
    fresh = tf.logical_and(row[:, _COUNT] == 0, count > 0)
    origins, means, deviations = [], [], []
    for values, column in ((true, _ORIGIN_TRUE), (pred, _ORIGIN_PRED)):
        lowest = tf.fill(tf.shape(values), tf.float64.min)
        largest = tf.reduce_max(tf.where(counted, values, lowest), axis=0)
        origin = tf.where(fresh, largest, row[:, column])
        shifted = tf.where(counted, values - origin, tf.zeros_like(values))
        mean = tf.math.divide_no_nan(tf.reduce_sum(weight[:, tf.newaxis] * shifted, 0), count)
        origins.append(origin)
        means.append(mean)
        deviations.append(tf.where(counted, shifted - mean, tf.zeros_like(values)))
    products = [
        tf.reduce_sum(weight[:, tf.newaxis] * a * b, axis=0)
        for a, b in ((deviations[0],) * 2, (deviations[1],) * 2, tuple(deviations))
    ]
    return count, origins, means, products


def _merge(row: tf.Tensor, count: tf.Tensor, origins: list, means: list, products: list) -> Any:
    """`row` [d, 8] with the moments of one batch merged into it."""
    old = row[:, _COUNT]
    total = old + count
    share = tf.math.divide_no_nan(count, total)
    step = [means[0] - row[:, _MEAN_TRUE], means[1] - row[:, _MEAN_PRED]]
    pairs = ((step[0],) * 2, (step[1],) * 2, tuple(step))
    merged = [
        row[:, column] + new + a * b * old * share
        for column, new, (a, b) in zip((_SS_TRUE, _SS_PRED, _SP), products, pairs, strict=True)
    ]
    centre = [row[:, _MEAN_TRUE] + step[0] * share, row[:, _MEAN_PRED] + step[1] * share]
    return tf.stack([total, *origins, *centre, *merged], axis=-1)


def _concordance(state: tf.Tensor) -> tf.Tensor:
    """CCC [d] of the replicas' moments [replicas, d, 8] together."""
    count = state[:, :, _COUNT]
    total = tf.reduce_sum(count, axis=0)
    share = tf.math.divide_no_nan(count, total)
    # Every mean relative to the origin of the first replica that has frames.
    first = tf.argmax(tf.cast(count[:, 0] > 0, tf.int32))
    means, deviations, origins = [], [], []
    for origin_column, mean_column in ((_ORIGIN_TRUE, _MEAN_TRUE), (_ORIGIN_PRED, _MEAN_PRED)):
        origin = state[first, :, origin_column]
        local = state[:, :, mean_column] + (state[:, :, origin_column] - origin)
        mean = tf.reduce_sum(share * local, axis=0)
        origins.append(origin)
        means.append(mean)
        deviations.append(local - mean)
    pairs = ((deviations[0],) * 2, (deviations[1],) * 2, tuple(deviations))
    spread_true, spread_pred, covariance = (
        tf.math.divide_no_nan(tf.reduce_sum(state[:, :, column] + count * a * b, axis=0), total)
        for column, (a, b) in zip((_SS_TRUE, _SS_PRED, _SP), pairs, strict=True)
    )
    bias = (origins[0] - origins[1]) + (means[0] - means[1])
    return tf.math.divide_no_nan(2.0 * covariance, spread_true + spread_pred + tf.square(bias))
