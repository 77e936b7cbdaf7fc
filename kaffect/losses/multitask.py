"""The joint loss of the CNN-RNN (paper Eq. 6): alpha * L'_VA + beta * L_basic_expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.losses.au import sigmoid_cross_entropy
from kaffect.losses.expressions import cross_entropy, mse_after_softmax, mse_before_softmax
from kaffect.losses.masking import Tensor
from kaffect.losses.va import ccc_loss, mse_loss

VA_LOSSES: dict[str, Callable[..., tf.Tensor]] = {"ccc": ccc_loss, "mse": mse_loss}
EXPRESSION_LOSSES: dict[str, Callable[..., tf.Tensor]] = {
    "cross_entropy": cross_entropy,
    "mse_before_softmax": mse_before_softmax,
    "mse_after_softmax": mse_after_softmax,
}


def _choose(losses: Mapping[str, Callable[..., tf.Tensor]], name: str, what: str) -> Callable:
    if name not in losses:
        raise ConfigError(expected_received(f"Unknown {what}", tuple(losses), name))
    return losses[name]


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
        labels: `valence_arousal` [..., 2], `expression` [...], `action_units` [..., units]; each
            with an optional `<name>_mask` [...]. Labels of tasks of weight 0 may be absent.
        outputs: `valence_arousal` [..., 2], `expression_logits` [..., k],
            `action_unit_logits` [..., units].
        alpha: weight of valence/arousal, in [0, 1].
        beta: weight of the expressions, in [0, 1].
        va_loss: `ccc` (Eq. 4) or `mse`.
        expression_loss: `cross_entropy`, `mse_before_softmax` or `mse_after_softmax`.
        action_unit_weight: weight of the Action Units, in [0, 1]; not in the paper's Eq. 6.
        class_weights: one per expression.
        positive_weights: one per Action Unit.

    Returns:
        Scalars `loss` (the sum) and, for each task that counts, its unweighted loss:
        `valence_arousal`, `expression`, `action_units`.

    Raises:
        ConfigError: a weight outside [0, 1], all weights 0, or an unknown loss name.
    """
    weights = {"alpha": alpha, "beta": beta, "action_unit_weight": action_unit_weight}
    for name, weight in weights.items():
        _check_weight(name, weight)
    if not any(weights.values()):
        raise ConfigError("alpha, beta and action_unit_weight are all 0; at least one must not be")
    regression = _choose(VA_LOSSES, va_loss, "valence/arousal loss")
    classification = _choose(EXPRESSION_LOSSES, expression_loss, "expression loss")

    def term(loss: Callable, name: str, output: str, *extra: Sequence[float] | None) -> tf.Tensor:
        return loss(labels[name], outputs[output], labels.get(f"{name}_mask"), *extra)

    terms: list[tuple[str, float, tf.Tensor]] = []
    if alpha:
        value = term(regression, "valence_arousal", "valence_arousal")
        terms.append(("valence_arousal", alpha, value))
    if beta:
        value = term(classification, "expression", "expression_logits", class_weights)
        terms.append(("expression", beta, value))
    if action_unit_weight:
        value = term(sigmoid_cross_entropy, "action_units", "action_unit_logits", positive_weights)
        terms.append(("action_units", action_unit_weight, value))
    total = tf.add_n([weight * value for _, weight, value in terms])
    return {"loss": total, **{name: value for name, _, value in terms}}
