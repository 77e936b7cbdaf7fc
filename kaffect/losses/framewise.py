"""The losses of the three tasks, each over its own frames: alone, of mixed pictures, weighted.

Under Eq. 6 (`kaffect.losses.multitask`) and the second study.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from kaffect.losses.masking import Tensor
from kaffect.losses.registry import loss_function

# task -> (name of the label and of the term, output of the network)
TASK_NAMES = {
    "va": ("valence_arousal", "valence_arousal"),
    "expression": ("expression", "expression_logits"),
    "au": ("action_units", "action_unit_logits"),
}
Loss = Callable[[Tensor, Tensor, Tensor | None], tf.Tensor]


def framewise_losses(
    labels: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
    tasks: Sequence[str],
    *,
    va: str = "mse",
    expression: str = "cross_entropy",
    au: str = "cross_entropy",
    class_weights: Sequence[float] | None = None,
    positive_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    masked: bool = True,
) -> dict[str, tf.Tensor]:
    """The unweighted loss of each task, each over its own labelled frames.

    With `mix_share` s among the labels (see `kaffect.data.batches.mixing`), the outputs of a mix
    of pictures i and i - 1 are held against both labels: s L(i) + (1 - s) L(i - 1). Where the
    outputs are twice as many as the labels, the first half are real pictures, and the loss is the
    mean of the real and the mixed one.

    Args:
        labels: `valence_arousal` [..., 2] in [-1, 1], `expression` [...] class numbers 0..k-1,
            `action_units` [..., units] 0 or 1, each with an optional `<name>_mask` [...], True
            where a frame is labelled; `mix_share` a scalar in [0, 1] (then [...] is [n]).
        outputs: `valence_arousal` [..., 2], `expression_logits` [..., k], `action_unit_logits`
            [..., units], any float type, unbounded; [2 n, ...] for MixAugment.
        tasks: of 'va', 'expression' and 'au'.
        va, expression, au: names of `VA_LOSSES`, `EXPRESSION_LOSSES` and `AU_LOSSES`.
        class_weights: [k], >= 0.
        positive_weights: [units], >= 0.
        label_smoothing: of the expressions, in [0, 1].
        masked: False takes a missing label for what stands in its place (0).

    Returns:
        `valence_arousal`, `expression`, `action_units`: a scalar for each task.

    Raises:
        ConfigError: an unknown name of a loss.
    """
    chosen = {
        task: loss_function(task, name)
        for task, name in (("va", va), ("expression", expression), ("au", au))
    }
    losses: dict[str, Loss] = {
        "va": chosen["va"],
        "expression": lambda y, p, m: chosen["expression"](y, p, m, class_weights, label_smoothing),
        "au": lambda y, p, m: chosen["au"](y, p, m, positive_weights),
    }
    found = {}
    for task in tasks:
        name, output = TASK_NAMES[task]
        mask = labels.get(f"{name}_mask") if masked else None
        found[name] = _mixed(
            losses[task], labels[name], outputs[output], mask, labels.get("mix_share")
        )
    return found


def _mixed(
    loss: Loss, y_true: Tensor, y_pred: Tensor, mask: Tensor | None, share: Tensor | None
) -> tf.Tensor:
    """`loss` of real pictures (`share` None), of mixtures, or of both halves of `y_pred`."""
    if share is None:
        return loss(y_true, y_pred, mask)
    count = tf.shape(y_true)[0]
    static = y_true.shape[0], y_pred.shape[0]
    if None in static:
        raise ValueError(f"mixtures need batches of a known size. Received: {static}")
    mixtures = y_pred[-count:]
    other_mask = None if mask is None else tf.roll(mask, 1, axis=0)
    mixed = share * loss(y_true, mixtures, mask)
    mixed += (1.0 - share) * loss(tf.roll(y_true, 1, axis=0), mixtures, other_mask)
    if static[0] == static[1]:
        return mixed
    return 0.5 * (loss(y_true, y_pred[:count], mask) + mixed)


def tasks_with_labels(
    labels: Mapping[str, Tensor], tasks: Sequence[str], masked: bool = True
) -> tf.Tensor:
    """Whether anything in the batch is labelled for each task.

    Args:
        labels: optional `<name>_mask` [...] of each task, True where a frame is labelled.
        tasks, masked: as in `framewise_losses`.

    Returns:
        [tasks] booleans.
    """
    masks = [labels.get(f"{TASK_NAMES[task][0]}_mask") if masked else None for task in tasks]
    return tf.stack(
        [tf.constant(True) if m is None else tf.reduce_any(tf.cast(m, tf.bool)) for m in masks]
    )


def uncertainty_weighted(
    terms: Sequence[tf.Tensor], log_variances: tf.Tensor, labelled: Tensor | None = None
) -> tf.Tensor:
    """Sum of exp(-s_k) L_k + s_k / 2 over the tasks, with s_k learned (Kendall et al. 2018).

    s_k is the logarithm of the variance of task k; the best one for a fixed loss is log(2 L_k).
    A task without a label in the batch is left out: its loss of 0 says nothing of its variance.

    Args:
        terms: one scalar >= 0 per task.
        log_variances: [tasks], unbounded.
        labelled: [tasks] booleans, which tasks count; `None`: all.

    Returns:
        Scalar.
    """
    losses = tf.stack(list(terms))
    each = tf.exp(-log_variances) * losses + 0.5 * log_variances
    return tf.reduce_sum(each if labelled is None else tf.where(labelled, each, 0.0))
