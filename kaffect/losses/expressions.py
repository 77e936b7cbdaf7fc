"""Losses for the expressions: cross entropy, MSE before and after the softmax (Section IV-C.2).

All three take the logits, that is the output of the last fully connected layer
before its softmax.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from kaffect.losses.masking import Tensor, as_float, as_mask, masked_mean, zero_where_masked


def _one_hot(
    y_true: Tensor, logits: Tensor, mask: Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One-hot labels [frames, k], logits [frames, k] with zeros where masked, mask [frames].

    A class number outside 0..k-1 under a true mask becomes a row of NaN, so that
    the training guard stops; an all-zero row would pass as a loss of nearly 0.
    """
    logits = as_float(logits)
    classes = logits.shape[-1]
    shape = tf.shape(logits)[:-1]
    mask = tf.reshape(as_mask(mask, shape), [-1])
    labels = tf.reshape(tf.cast(tf.reshape(y_true, shape), tf.int32), [-1])
    labels = tf.where(mask, labels, tf.zeros_like(labels))
    known = tf.logical_and(labels >= 0, labels < classes)
    rows = tf.one_hot(labels, classes, dtype=logits.dtype)
    rows = tf.where(known[:, tf.newaxis], rows, tf.constant(math.nan, logits.dtype))
    return rows, zero_where_masked(tf.reshape(logits, [-1, classes]), mask), mask


def _smoothed(rows: tf.Tensor, smoothing: float) -> tf.Tensor:
    return rows * (1.0 - smoothing) + smoothing / rows.shape[-1]


def _mean(
    losses: tf.Tensor, rows: tf.Tensor, mask: tf.Tensor, class_weights: Sequence[float] | None
) -> tf.Tensor:
    if class_weights is None:
        return masked_mean(losses, mask)
    if len(class_weights) != rows.shape[-1]:
        raise ValueError(
            f"class_weights must have one value per class. Expected {rows.shape[-1]}. "
            f"Received: {len(class_weights)}"
        )
    weights = tf.linalg.matvec(rows, tf.constant(class_weights, rows.dtype))
    return masked_mean(losses, mask, weights)


def cross_entropy(
    y_true: Tensor,
    logits: Tensor,
    mask: Tensor | None = None,
    class_weights: Sequence[float] | None = None,
    smoothing: float = 0.0,
) -> tf.Tensor:
    """Softmax cross entropy, mean over the unmasked frames.

    Args:
        y_true: [...], class numbers 0..k-1.
        logits: [..., k], any float type, unbounded.
        mask: [...], True where a frame is labelled; `None`: everywhere.
        class_weights: [k], >= 0; the mean is then `sum(w loss) / sum(w)`.
        smoothing: share in [0, 1] of each label that is spread evenly over all classes.

    Returns:
        Scalar >= 0; 0 if no frame is labelled, NaN for a label outside of 0..k-1.

    Raises:
        ValueError: not one weight per class.
    """
    rows, logits, mask = _one_hot(y_true, logits, mask)
    targets = tf.stop_gradient(_smoothed(rows, smoothing))
    losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
    return _mean(losses, rows, mask, class_weights)


def mse_before_softmax(
    y_true: Tensor,
    logits: Tensor,
    mask: Tensor | None = None,
    class_weights: Sequence[float] | None = None,
    smoothing: float = 0.0,
) -> tf.Tensor:
    """Mean squared error of the logits against the one-hot label, over classes and frames.

    Args:
        y_true: [...], class numbers 0..k-1.
        logits: [..., k], any float type, unbounded.
        mask, class_weights, smoothing: as in `cross_entropy`.

    Returns:
        Scalar >= 0; 0 if no frame is labelled, NaN for a label outside of 0..k-1.

    Raises:
        ValueError: not one weight per class.
    """
    rows, logits, mask = _one_hot(y_true, logits, mask)
    losses = tf.reduce_mean(tf.math.squared_difference(_smoothed(rows, smoothing), logits), axis=-1)
    return _mean(losses, rows, mask, class_weights)


def mse_after_softmax(
    y_true: Tensor,
    logits: Tensor,
    mask: Tensor | None = None,
    class_weights: Sequence[float] | None = None,
    smoothing: float = 0.0,
) -> tf.Tensor:
    """Mean squared error of the probabilities against the one-hot label, over classes and frames.

    Args:
        y_true: [...], class numbers 0..k-1.
        logits: [..., k], any float type, unbounded.
        mask, class_weights, smoothing: as in `cross_entropy`.

    Returns:
        Scalar >= 0; 0 if no frame is labelled, NaN for a label outside of 0..k-1.

    Raises:
        ValueError: not one weight per class.
    """
    rows, logits, mask = _one_hot(y_true, logits, mask)
    targets = _smoothed(rows, smoothing)
    losses = tf.reduce_mean(tf.math.squared_difference(targets, tf.nn.softmax(logits)), axis=-1)
    return _mean(losses, rows, mask, class_weights)
