"""Losses of the Action Units: cross entropy (Section IV-C.1), MSE of probabilities (second study).

Both average over the units and the labelled frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from kaffect.losses.masking import Tensor, as_float, as_mask, masked_mean, zero_where_masked


def sigmoid_cross_entropy(
    y_true: Tensor,
    logits: Tensor,
    mask: Tensor | None = None,
    positive_weights: Sequence[float] | None = None,
) -> tf.Tensor:
    """Sigmoid cross entropy, mean over units and labelled frames.

    Args:
        y_true: [..., units], 0, 1 or a smoothed label between.
        logits: [..., units], any float type, unbounded.
        mask: [...] for frames or [..., units] for single units, True where labelled; `None`:
            everywhere.
        positive_weights: [units], one factor >= 0 per unit for the term of label 1, against rare
            units; `None`: 1.

    Returns:
        Scalar >= 0; 0 if nothing is labelled.

    Raises:
        ValueError: not one positive weight per unit.
    """
    y_true, logits, mask = _by_unit(y_true, logits, mask)
    weights = _weights(positive_weights, logits)
    if weights is None:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(y_true, logits)
    else:
        losses = tf.nn.weighted_cross_entropy_with_logits(y_true, logits, weights)
    return masked_mean(losses, mask)


def mse_of_probabilities(
    y_true: Tensor,
    logits: Tensor,
    mask: Tensor | None = None,
    positive_weights: Sequence[float] | None = None,
) -> tf.Tensor:
    """Mean squared error of sigmoid(logits) against the labels (the second study's joint network).

    Args:
        y_true: [..., units], 0, 1 or a smoothed label between.
        logits: [..., units], any float type, unbounded.
        mask: [...] for frames or [..., units] for single units, True where labelled; `None`:
            everywhere.
        positive_weights: [units], one factor >= 0 per unit; an error counts 1 + (factor - 1) times
            the label, as its term of label 1 does in the cross entropy. `None`: 1.

    Returns:
        Scalar >= 0; 0 if nothing is labelled.

    Raises:
        ValueError: not one positive weight per unit.
    """
    y_true, logits, mask = _by_unit(y_true, logits, mask)
    losses = tf.math.squared_difference(y_true, tf.sigmoid(logits))
    weights = _weights(positive_weights, logits)
    if weights is not None:
        losses *= 1.0 + (weights - 1.0) * y_true
    return masked_mean(losses, mask)


def _weights(positive_weights: Sequence[float] | None, logits: tf.Tensor) -> tf.Tensor | None:
    if positive_weights is None:
        return None
    if len(positive_weights) != logits.shape[-1]:
        raise ValueError(
            f"positive_weights must have one value per unit. Expected {logits.shape[-1]}. "
            f"Received: {len(positive_weights)}"
        )
    return tf.constant(positive_weights, logits.dtype)


def _by_unit(
    y_true: Tensor, logits: Tensor, mask: Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Labels, logits (zeros where masked) and mask, each [frames, units]."""
    logits = as_float(logits)
    units = logits.shape[-1]
    shape = tf.shape(logits)
    y_true = tf.reshape(tf.cast(y_true, logits.dtype), [-1, units])
    if mask is not None and tf.convert_to_tensor(mask).shape.rank == logits.shape.rank:
        mask = tf.reshape(as_mask(mask, shape), [-1, units])
    else:
        frames = tf.reshape(as_mask(mask, shape[:-1]), [-1, 1])
        mask = tf.repeat(frames, units, axis=1)
    return (
        zero_where_masked(y_true, mask),
        zero_where_masked(tf.reshape(logits, [-1, units]), mask),
        mask,
    )
