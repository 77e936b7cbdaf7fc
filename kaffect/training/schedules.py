"""Optimisers and learning rates of the framewise study; the warm-up that both studies share."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from kaffect.config.framewise import FramewiseTraining
from kaffect.training.adam import make_adam
from kaffect.training.precision import scaled


def make_optimizer(
    config: FramewiseTraining, steps: int, policy: str, variables: Sequence[keras.Variable]
) -> keras.optimizers.Optimizer:
    """The optimiser of `config` for a run of `steps` updates, built for `variables`.

    Weight decay leaves biases and normalisations alone.
    """
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate = warm_cosine(config.learning_rate, steps, config.warmup)
    decay = config.weight_decay or None
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=config.momentum, weight_decay=decay)
    elif config.optimizer == "adamw":
        optimizer = make_adam(
            policy, rate, weight_decay=config.weight_decay, epsilon=config.adam_epsilon
        )
    else:
        optimizer = make_adam(policy, rate, epsilon=config.adam_epsilon)
    if config.optimizer != "adam":
        flat = [v for v in variables if len(v.shape) < 2]
        optimizer.exclude_from_weight_decay(var_list=flat)
    optimizer = scaled(optimizer, policy)
    optimizer.build(variables)
    return optimizer


def warm_cosine(
    rate: float, steps: int, warmup: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Rises in `warmup` updates to `rate`, then falls along half a cosine to 0 at `steps`.

    With w = min(warmup, steps // 4), update t (from 0) has rate (t + 1) / (w + 1) for t < w, and
    update w the full rate; no update has rate 0. Under loss scaling, skipped updates do not count.

    >>> [round(float(warm_cosine(1.0, 8, 1)(t)), 3) for t in (0, 1, 8)]
    [0.5, 1.0, 0.0]
    """
    warmup = min(warmup, steps // 4)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(rate, decay_steps=max(1, steps))
    return keras.optimizers.schedules.CosineDecay(
        rate / (warmup + 1), steps - warmup, warmup_target=rate, warmup_steps=warmup
    )


def plateau_rate(config: FramewiseTraining, losses: Sequence[float]) -> float:
    """The learning rate after validation passes with these losses (PyTorch's ReduceLROnPlateau).

    A function of the history alone, so that an interrupted run goes on with the same rate. A loss
    counts as smaller from a relative 1e-4 on, as there.

    >>> config = FramewiseTraining(learning_rate=1.0, plateau_patience=1)
    >>> [plateau_rate(config, losses) for losses in ([2.0], [2.0, 3.0], [2.0, 3.0, 3.0])]
    [1.0, 1.0, 0.1]
    """
    rate, best, waited = config.learning_rate, float("inf"), 0
    for loss in losses:
        if loss < best * (1.0 - 1e-4):
            best, waited = loss, 0
            continue
        waited += 1
        if waited > config.plateau_patience:
            rate, waited = rate * config.plateau_factor, 0
    return rate
