"""The losses of each task by the names that settings use (Section IV-C; second study).

A new loss of a task is its function, a line here and a test of its values; the checks that
every loss must pass (tests/conformance) find it here.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.losses.au import mse_of_probabilities, sigmoid_cross_entropy
from kaffect.losses.expressions import cross_entropy, mse_after_softmax, mse_before_softmax
from kaffect.losses.va import ccc_loss, mse_loss

Loss = Callable[..., tf.Tensor]

# (y_true [..., 2], y_pred [..., 2], mask [...]) -> scalar
VA_LOSSES: dict[str, Loss] = {"ccc": ccc_loss, "mse": mse_loss}
# (y_true [...], logits [..., k], mask [...], class_weights [k], smoothing) -> scalar
EXPRESSION_LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "mse_before_softmax": mse_before_softmax,
    "mse_after_softmax": mse_after_softmax,
}
# (y_true [..., units], logits [..., units], mask [...], positive_weights [units]) -> scalar
AU_LOSSES: dict[str, Loss] = {
    "cross_entropy": sigmoid_cross_entropy,
    "mse": mse_of_probabilities,
}
LOSSES: dict[str, dict[str, Loss]] = {
    "va": VA_LOSSES,
    "expression": EXPRESSION_LOSSES,
    "au": AU_LOSSES,
}


def loss_function(task: str, name: str) -> Loss:
    """The loss of `task` ('va', 'expression' or 'au') that settings call `name`.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in LOSSES[task]:
        raise ConfigError(expected_received(f"Unknown loss of {task}", tuple(LOSSES[task]), name))
    return LOSSES[task][name]
