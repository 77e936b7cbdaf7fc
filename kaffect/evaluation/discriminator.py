"""The discriminator as regressor and classifier: the numbers of Table IX (paper Section V-A.1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kaffect.data.pipeline import evaluation_frames
from kaffect.data.records import FrameIndex
from kaffect.evaluation.scoring import score
from kaffect.training.gan import GanTrainer
from kaffect.training.gan_images import normalise
from kaffect.training.prediction import Predictions, predict_rows

Judge = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def judge_of(trainer: GanTrainer) -> Judge:
    """The discriminator in inference mode, compiled: uint8 pixels to named outputs.

    Returns:
        [batch, h, w, 3] pixels -> `valence_arousal` [batch, 2], `action_unit_logits`
        [batch, units] (those that it has) and `fake_logits` [batch, 1]. Weights may
        change between calls.
    """
    size, heads = trainer.config.image_size, trainer.config.heads

    @tf.function(reduce_retracing=True)
    def judge(images: tf.Tensor) -> dict[str, tf.Tensor]:
        parts = heads.split(trainer.discriminator(normalise(images, size), training=False))
        found = {"fake_logits": parts["fake"][:, tf.newaxis]}
        if heads.valence_arousal:
            found["valence_arousal"] = parts["valence_arousal"]
        if heads.action_units:
            found["action_unit_logits"] = parts["action_units"]
        return found

    return judge


def judge_frames(judge: Judge, index: FrameIndex, batch: int = 256) -> Predictions:
    """Its answer for every frame of `index`, in the order of `index.rows`."""
    return predict_rows(judge, evaluation_frames(index, batch=batch), index.rows, inputs="images")


def judge_pixels(judge: Judge, images: np.ndarray, batch: int = 256) -> Predictions:
    """Its answer for pictures [n, h, w, 3] uint8."""
    parts = [
        {name: value.numpy() for name, value in judge(tf.constant(part)).items()}
        for part in np.split(images, range(batch, len(images), batch))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def score_discriminator(trainer: GanTrainer, judge: Judge, index: FrameIndex) -> dict[str, float]:
    """CCC, F1 and accuracy of the tasks that the discriminator is trained for, on `index`.

    Also `fake_rate`: the share of these real frames that it takes for generated ones.
    """
    answers = judge_frames(judge, index)
    metrics = score(answers, index.rows, index.scoring(), trainer.config.tasks)
    return {**metrics, "fake_rate": float((answers["fake_logits"] > 0).mean())}
