"""Losses for valence and arousal: 1 - CCC (paper Eq. 4-5) and MSE (Section IV-C)."""

from __future__ import annotations

import tensorflow as tf

from kaffect.losses.masking import Tensor, as_float, as_mask, masked_mean, zero_where_masked

# not in the paper: below this, the denominator of Eq. 5 counts as this. A
# standard deviation of 1e-4 is a tenth of the finest step of the annotations
# (1/1000), so no real batch comes near it and Eq. 5 stays exact elsewhere.
EPSILON = 1e-8


def _flatten(
    y_true: Tensor, y_pred: Tensor, mask: Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Labels and predictions as [frames, k] with zeros where masked, and the mask [frames]."""
    y_pred = as_float(y_pred)
    y_true = tf.cast(y_true, y_pred.dtype)
    if not y_true.shape.is_compatible_with(y_pred.shape):
        raise ValueError(
            "Labels and predictions must have one shape [..., 2]. "
            f"Received: y_true {y_true.shape}, y_pred {y_pred.shape}"
        )
    mask = tf.reshape(as_mask(mask, tf.shape(y_pred)[:-1]), [-1])
    columns = tf.shape(y_pred)[-1]
    y_true = zero_where_masked(tf.reshape(y_true, [-1, columns]), mask)
    y_pred = zero_where_masked(tf.reshape(y_pred, [-1, columns]), mask)
    return y_true, y_pred, mask


def _centre(values: tf.Tensor, mask: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean [k] and deviations [n, k] over the unmasked rows.

    The largest value is taken off first: the deviations of a constant are then
    exactly 0 (0.01 is not, when its float32 mean is taken directly), and an
    offset costs no digits.
    """
    lowest = tf.fill(tf.shape(values), values.dtype.min)
    origin = tf.reduce_max(tf.where(mask[:, tf.newaxis], values, lowest), axis=0)
    origin = tf.stop_gradient(tf.where(tf.reduce_any(mask), origin, tf.zeros_like(origin)))
    shifted = zero_where_masked(values - origin, mask)
    mean = tf.reduce_sum(shifted, axis=0) / count
    return origin + mean, zero_where_masked(shifted - mean, mask)


def concordance(y_true: Tensor, y_pred: Tensor, mask: Tensor | None = None) -> tf.Tensor:
    """Concordance correlation coefficient of each column (Eq. 5), over all unmasked frames.

    Population moments (1/N): what Eq. 5 calls "variances" s_x, s_y are standard
    deviations, since it squares them. A constant against anything has CCC 0.

    Args:
        y_true: [..., k], labels.
        y_pred: [..., k], predictions, any float type, unbounded.
        mask: [...], True where a frame is labelled; `None`: everywhere.

    Returns:
        [k] in [-1, 1], float32 (float64 for float64 predictions).
    """
    y_true, y_pred, mask = _flatten(y_true, y_pred, mask)
    count = tf.maximum(tf.reduce_sum(tf.cast(mask, y_pred.dtype)), 1.0)
    mean_true, true = _centre(y_true, mask, count)
    mean_pred, pred = _centre(y_pred, mask, count)
    covariance = tf.reduce_sum(true * pred, axis=0) / count
    spread = tf.reduce_sum(tf.square(true) + tf.square(pred), axis=0) / count
    denominator = spread + tf.square(mean_true - mean_pred)
    return 2.0 * covariance / tf.maximum(denominator, EPSILON)


def ccc_loss(y_true: Tensor, y_pred: Tensor, mask: Tensor | None = None) -> tf.Tensor:
    """1 minus the mean CCC of valence and arousal (Eq. 4), over the flattened batch (800 frames).

    Value and gradient are finite for every finite input. For a *constant target*
    (fake images: 0.01 everywhere) the covariance is identically 0, so the loss is
    exactly 1 and its gradient exactly 0: such a batch trains nothing. Without any
    labelled frame the loss is exactly 0, with gradient 0.

    Args:
        y_true: [..., 2], valence and arousal in [-1, 1].
        y_pred: [..., 2], predictions, any float type, unbounded.
        mask: [...], True where a frame is labelled; `None`: everywhere.

    Returns:
        Scalar in [0, 2].

    >>> float(ccc_loss([[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]))
    0.0
    """
    loss = 1.0 - tf.reduce_mean(concordance(y_true, y_pred, mask))
    if mask is None:
        return loss
    return tf.where(tf.reduce_any(tf.cast(mask, tf.bool)), loss, tf.zeros_like(loss))


def mse_loss(y_true: Tensor, y_pred: Tensor, mask: Tensor | None = None) -> tf.Tensor:
    """Average of the mean squared errors of valence and of arousal (Section IV-C.1).

    Args:
        y_true: [..., 2], valence and arousal in [-1, 1].
        y_pred: [..., 2], predictions, any float type, unbounded.
        mask: [...], True where a frame is labelled; `None`: everywhere.

    Returns:
        Scalar >= 0; 0 if no frame is labelled.
    """
    y_true, y_pred, mask = _flatten(y_true, y_pred, mask)
    return masked_mean(tf.reduce_mean(tf.math.squared_difference(y_true, y_pred), axis=-1), mask)
