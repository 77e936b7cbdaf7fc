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
from kaffect.training.multitask import Batch, MultiTaskTrainer, adam, compiled
from kaffect.training.schedules import warm_cosine


def frame_losses(batch: Batch, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """CCC + cross entropy + cross entropy over Action Units, equally weighted, masks respected."""
    return multitask_loss(batch, outputs, alpha=1.0, beta=1.0, action_unit_weight=1.0)


def frame_trainer(
    network: keras.Model,
    config: Pretraining,
    train: RecognitionTraining,
    policy: str,
    strategy: tf.distribute.Strategy | None = None,
) -> MultiTaskTrainer:
    """The single-frame network, compiled and built for `loop.train`.

    Args:
        strategy: as of `MultiTaskTrainer`.
    """
    trainer = MultiTaskTrainer(network, frame_losses, inputs="images", strategy=strategy)
    with trainer.strategy.scope():
        optimizer = adam(replace(train, learning_rate=config.learning_rate), policy)
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        inner.learning_rate = warm_cosine(config.learning_rate, config.steps, config.warmup)
    return compiled(trainer, optimizer)
