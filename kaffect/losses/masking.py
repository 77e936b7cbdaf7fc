"""Masks under the losses of Section IV-C: a missing label gives exactly 0.0 loss and gradient.

Shared by the other modules of this package. Both the label and the prediction
of a masked frame are replaced before anything is computed from them, because
`0 * nan` is `nan`, in the value and in the gradient.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any  # a tf.Tensor, or what tf.convert_to_tensor takes


def as_float(value: Tensor) -> tf.Tensor:
    """`value` as float32; float64 stays float64.

    Under mixed precision the predictions arrive as float16 or bfloat16, in which
    a variance of 800 values loses its digits: losses are always computed in
    float32 or better.

    Args:
        value: [...], any type.
    """
    tensor = tf.convert_to_tensor(value)
    return tensor if tensor.dtype == tf.float64 else tf.cast(tensor, tf.float32)


def as_mask(mask: Tensor | None, shape: tf.Tensor) -> tf.Tensor:
    """`mask` as booleans of `shape`.

    Args:
        mask: [...], as many as `shape` has places, True where labelled; `None`: everywhere.
        shape: [rank], whole numbers.
    """
    if mask is None:
        return tf.ones(shape, tf.bool)
    return tf.reshape(tf.cast(mask, tf.bool), shape)


def zero_where_masked(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`values` with 0 in the places or rows where `mask` is False.

    Args:
        values: [n] or [n, k].
        mask: [n] or [n, k], booleans.
    """
    if mask.shape.rank < values.shape.rank:
        mask = mask[:, tf.newaxis]
    return tf.where(mask, values, tf.zeros((), values.dtype))


def masked_mean(values: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Mean of `values` over the places where `mask` is True; 0.0 if there is none.

    Args:
        values: [n] or [n, k], one loss per place.
        mask: booleans of the same shape.
        weights: of the same shape, >= 0: the mean is `sum(w v) / sum(w)`; `None`: 1.

    Returns:
        Scalar.
    """
    share = tf.cast(mask, values.dtype)
    if weights is not None:
        share = share * tf.cast(weights, values.dtype)
    return tf.math.divide_no_nan(
        tf.reduce_sum(zero_where_masked(values, mask) * share), tf.reduce_sum(share)
    )
