"""The CNN on single frames, before it is fixed (not in the paper; the authors' lab did so).

Random convolutions carry too little of a face, and the VGG-Face weights are
not always at hand. The CNN with one linear head for each task learns
valence/arousal, expressions and Action Units from single frames of the
training videos; the heads are thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import keras
import tensorflow as tf

from kaffect.config.recognition import Pretraining, RecognitionTraining
from kaffect.losses import multitask_loss
from kaffect.training.loop import Schedule
from kaffect.training.multitask import Batch, MultiTaskTrainer, adam, compiled
from kaffect.training.schedules import warm_cosine

# Steps between two validation passes, whatever the size of the data.
FEWEST, MOST = 10, 1000


def frame_losses(batch: Batch, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """CCC + cross entropy + cross entropy over Action Units, equally weighted, masks respected."""
    return multitask_loss(batch, outputs, alpha=1.0, beta=1.0, action_unit_weight=1.0)


def frame_schedule(config: Pretraining, frames: int) -> Schedule:
    """Updates in all and between validation passes, for so many training frames."""
    if config.steps:
        return Schedule(config.steps, config.evaluate_every, config.patience)
    every = min(max(-(-frames // config.batch), FEWEST), MOST)
    return Schedule(config.epochs * every, every, config.patience)


def frame_trainer(
    network: keras.Model,
    config: Pretraining,
    train: RecognitionTraining,
    policy: str,
    strategy: tf.distribute.Strategy | None = None,
    steps: int | None = None,
) -> MultiTaskTrainer:
    """The single-frame network, compiled and built for `loop.train`.

    Args:
        network: what of it is not to be trained is set so before.
        strategy: as of `MultiTaskTrainer`.
        steps: of the schedule; None: those of `config`.
    """
    steps = config.steps if steps is None else steps
    trainer = MultiTaskTrainer(network, frame_losses, inputs="images", strategy=strategy)
    with trainer.strategy.scope():
        optimizer = adam(replace(train, learning_rate=config.learning_rate), policy)
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        inner.learning_rate = warm_cosine(config.learning_rate, steps, config.warmup)
    return compiled(trainer, optimizer)
