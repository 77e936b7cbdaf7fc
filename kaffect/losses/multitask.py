"""The joint loss of the CNN-RNN (paper Eq. 6): alpha * L'_VA + beta * L_basic_expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.losses.framewise import TASK_NAMES, framewise_losses
from kaffect.losses.masking import Tensor


def _check_weight(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigError(expected_received(f"{name} of Eq. 6", "a number in [0, 1]", value))


def multitask_loss(
    labels: Mapping[str, Tensor],
    outputs: Mapping[str, Tensor],
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    va_loss: str = "ccc",
    expression_loss: str = "cross_entropy",
    au_loss: str = "cross_entropy",
    action_unit_weight: float = 0.0,
    class_weights: Sequence[float] | None = None,
    positive_weights: Sequence[float] | None = None,
) -> dict[str, tf.Tensor]:
    """The weighted sum of the task losses (Eq. 6), each over its own labelled frames.

    A task of weight 0 is not computed at all: its output gets no gradient (alpha
    = 0 makes the network a classifier only, beta = 0 a regressor only). A frame
    whose mask is False contributes exactly 0 to value and gradient, whatever
    stands in its label.

    Args:
        labels: `valence_arousal` [..., 2] in [-1, 1], `expression` [...] class numbers 0..k-1,
            `action_units` [..., units] 0 or 1; each with an optional `<name>_mask` [...], True
            where a frame is labelled. Labels of tasks of weight 0 may be absent.
        outputs: `valence_arousal` [..., 2], `expression_logits` [..., k], `action_unit_logits`
            [..., units]; any float type, unbounded.
        alpha: weight of valence/arousal, in [0, 1].
        beta: weight of the expressions, in [0, 1].
        va_loss: a name of `VA_LOSSES`: `ccc` (Eq. 4) or `mse`.
        expression_loss: a name of `EXPRESSION_LOSSES`: `cross_entropy`, `mse_before_softmax` or
            `mse_after_softmax`.
        au_loss: a name of `AU_LOSSES`: `cross_entropy` or `mse` (of probabilities).
        action_unit_weight: weight of the Action Units, in [0, 1]; not in the paper's Eq. 6.
        class_weights: [k], >= 0.
        positive_weights: [units], >= 0.

    Returns:
        Scalars `loss` (the sum) and, for each task that counts, its unweighted loss:
        `valence_arousal`, `expression`, `action_units`.

    Raises:
        ConfigError: a weight outside [0, 1], all weights 0, or an unknown loss name.
    """
    weights = {"va": alpha, "expression": beta, "au": action_unit_weight}
    for name, weight in zip(("alpha", "beta", "action_unit_weight"), weights.values(), strict=True):
        _check_weight(name, weight)
    if not any(weights.values()):
        raise ConfigError("alpha, beta and action_unit_weight are all 0; at least one must not be")
    tasks = [task for task, weight in weights.items() if weight]
    terms = framewise_losses(
        labels,
        outputs,
        tasks,
        va=va_loss,
        expression=expression_loss,
        au=au_loss,
        class_weights=class_weights,
        positive_weights=positive_weights,
    )
    total = tf.add_n([weights[task] * terms[TASK_NAMES[task][0]] for task in tasks])
    return {"loss": total, **terms}
