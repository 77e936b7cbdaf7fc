"""Updates under loss scaling, some of which are skipped (float16; not in the paper).

Float16 gradients are computed of the loss times a scale. Where one overflows, the optimiser
leaves the update out and halves the scale; after 2,000 updates without an overflow it
doubles it. An update left out changes neither weights nor the optimiser's count of updates.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from kaffect.training.replicas import part_of

# So many halvings divide the scale by a million: what still overflows is no matter of scale.
MOST_SKIPPED = 20
# Of the logs of an update. The norm is of the unscaled gradients, before clipping.
NORM, FINITE, SKIPPED, SCALE = (
    "gradient_norm", "finite_gradients", "skipped_updates", "loss_scale",
)  # fmt: skip


def is_scaled(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether `optimizer` may skip updates."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[keras.Variable],
) -> dict[str, tf.Tensor]:
    """Apply the gradients of a scaled loss and report whether the update was made.

    Args:
        gradients: of `optimizer.scale_loss(loss)`, one for each of `variables`; on several devices
            those of the whole batch, on each.

    Returns:
        `gradient_norm`; under loss scaling also `loss_scale` (the one that was used),
        `finite_gradients` (1 where the update happened, else 0) and `skipped_updates` (the
        opposite). All are scalars.
    """
    # Keras' optimisers add up what the devices hand in.
    parts = [part_of(gradient) for gradient in gradients]
    if not is_scaled(optimizer):
        optimizer.apply(parts, variables)
        return {NORM: tf.linalg.global_norm(gradients)}
    scale = tf.identity(optimizer.dynamic_scale.value)
    finite = tf.cast(optimizer.check_finite(gradients), tf.float32)
    optimizer.apply(parts, variables)
    norm = tf.linalg.global_norm([gradient / scale for gradient in gradients])
    return {NORM: norm, SCALE: scale, FINITE: finite, SKIPPED: 1.0 - finite}
