"""Loss for Action Units: sigmoid cross entropy averaged over the units (Section IV-C.1)."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from kaffect.losses.masking import Tensor, as_float, as_mask, keep, masked_mean


def sigmoid_cross_entropy(
    y_true: Tensor,
    logits: Tensor,
    mask: Tensor | None = None,
    positive_weights: Sequence[float] | None = None,
) -> tf.Tensor:
    """Sigmoid cross entropy, mean over units and labelled frames.

    Args:
        y_true: 0, 1 or a smoothed label between, [..., units].
        logits: [..., units].
        mask: True where labelled, per frame [...] or per unit [..., units]; `None`: everywhere.
        positive_weights: one factor per unit for the term of label 1, against rare units.

    Returns:
        Scalar >= 0; 0 if nothing is labelled.
    """
    y_true, logits, mask = _by_unit(y_true, logits, mask)
    units = logits.shape[-1]
    if positive_weights is None:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(y_true, logits)
    else:
        if len(positive_weights) != units:
            raise ValueError(
                f"positive_weights must have one value per unit. Expected {units}. "
                f"Received: {len(positive_weights)}"
            )
        weights = tf.constant(positive_weights, logits.dtype)
        losses = tf.nn.weighted_cross_entropy_with_logits(y_true, logits, weights)
    return masked_mean(losses, mask)


def mse_of_probabilities(y_true: Tensor, logits: Tensor, mask: Tensor | None = None) -> tf.Tensor:
    """Mean squared error of sigmoid(logits) against the labels (the second study's joint network).

    Arguments and result as in `sigmoid_cross_entropy`.
    """
    y_true, logits, mask = _by_unit(y_true, logits, mask)
    return masked_mean(tf.math.squared_difference(y_true, tf.sigmoid(logits)), mask)


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
    return keep(y_true, mask), keep(tf.reshape(logits, [-1, units]), mask), mask
