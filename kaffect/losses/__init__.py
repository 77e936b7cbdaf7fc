"""The error minimisation criteria of Section IV-C, as pure functions of labels and network outputs.

Every function reduces to a scalar, computes in float32 under mixed precision
(float64 stays float64), and takes a mask that is True where a frame is labelled.
"""

from kaffect.losses.au import mse_of_probabilities, sigmoid_cross_entropy
from kaffect.losses.expressions import cross_entropy, mse_after_softmax, mse_before_softmax
from kaffect.losses.framewise import framewise_losses, tasks_with_labels, uncertainty_weighted
from kaffect.losses.gan import (
    Heads,
    class_target,
    fake_loss,
    generator_loss,
    huber,
    real_loss,
    reconstruction_weight,
)
from kaffect.losses.multitask import multitask_loss
from kaffect.losses.registry import (
    AU_LOSSES,
    EXPRESSION_LOSSES,
    LOSSES,
    VA_LOSSES,
    loss_function,
)
from kaffect.losses.va import ccc_loss, concordance, mse_loss

__all__ = [
    "AU_LOSSES",
    "EXPRESSION_LOSSES",
    "LOSSES",
    "VA_LOSSES",
    "Heads",
    "ccc_loss",
    "class_target",
    "concordance",
    "cross_entropy",
    "fake_loss",
    "framewise_losses",
    "generator_loss",
    "huber",
    "loss_function",
    "mse_after_softmax",
    "mse_before_softmax",
    "mse_loss",
    "mse_of_probabilities",
    "multitask_loss",
    "real_loss",
    "reconstruction_weight",
    "sigmoid_cross_entropy",
    "tasks_with_labels",
    "uncertainty_weighted",
]
