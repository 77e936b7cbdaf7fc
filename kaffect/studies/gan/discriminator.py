"""The discriminator as regressor and classifier: the numbers of Table IX (paper Section V-A.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kaffect.data.batches.pipeline import evaluation_frames
from kaffect.data.prepared.records import FrameIndex, Scoring
from kaffect.studies.scoring import HALF, score, thresholds_for
from kaffect.training.gan import GanTrainer, build_networks
from kaffect.training.gan_images import normalise
from kaffect.training.prediction import Predictions, predict_rows


class Judge:
    """The discriminator in inference mode, compiled: uint8 pixels to named outputs.

    Where the configuration averages its weights (`discriminator_ema`), the average judges.

    Args:
        trainer: holds the networks; later training is seen after `refresh`.
    """

    def __init__(self, trainer: GanTrainer) -> None:
        self.trainer = trainer
        self.network = trainer.discriminator
        if trainer.discriminator_average is not None:
            _, self.network = build_networks(trainer.config, trainer.space, trainer.policy_name)
        self._run = tf.function(self._judge, reduce_retracing=True)
        self.refresh()

    def refresh(self) -> None:
        """Take over the weights as they are now."""
        if self.trainer.discriminator_average is not None:
            self.trainer.discriminator_average.copy_to(self.network)

    def __call__(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """[batch, h, w, 3] pixels -> `valence_arousal` [batch, 2], `action_unit_logits`
        [batch, units] (those that it has) and `fake_logits` [batch, 1]."""
        found: dict[str, tf.Tensor] = self._run(images)
        return found

    def _judge(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        heads, size = self.trainer.heads, self.trainer.config.model.image_size
        logits = self.network(normalise(images, size), training=False)
        parts = heads.split(logits)
        found = {"fake_logits": parts["fake"][:, tf.newaxis]}
        if heads.valence_arousal:
            found["valence_arousal"] = parts["valence_arousal"]
        if heads.action_units:
            found["action_unit_logits"] = parts["action_units"]
        return found


def judge_frames(judge: Judge, index: FrameIndex, batch: int = 256) -> Predictions:
    """The discriminator's outputs for `index.rows`, in their order: name -> [rows, k]."""
    return predict_rows(judge, evaluation_frames(index, batch=batch), index.rows, inputs="images")


def judge_pixels(judge: Judge, images: np.ndarray, batch: int = 256) -> Predictions:
    """The discriminator's outputs for pictures uint8 [n, h, w, 3]: name -> [n, k]."""
    parts = [
        {name: value.numpy() for name, value in judge(tf.constant(part)).items()}
        for part in np.split(images, range(batch, len(images), batch))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Judgement(NamedTuple):
    """Outputs and scores of the discriminator on one split.

    Attributes:
        answers: for its rows; metrics: of them.
        thresholds: logits above which Action Units counted as present.
    """

    answers: Predictions
    metrics: dict[str, float]
    thresholds: float | np.ndarray


def score_discriminator(
    judge: Judge, index: FrameIndex, thresholds: float | np.ndarray | None = None
) -> Judgement:
    """The discriminator's outputs for `index`, with their scores (`score_answers`).

    Args:
        thresholds: logit above which an Action Unit counts as present; one, or
            [units]. None: as the configuration says, "validation" choosing them on
            `index`, which must then hold the validation frames.
    """
    judge.refresh()
    config = judge.trainer.config
    answers = judge_frames(judge, index)
    if thresholds is None:
        chosen = config.train.thresholds == "validation"
        thresholds = thresholds_for(answers, index.rows, index.scoring()) if chosen else HALF
    metrics = score_answers(answers, index, config.loss.tasks, thresholds)
    return Judgement(answers, metrics, thresholds)


def score_answers(
    answers: Predictions,
    index: FrameIndex,
    tasks: Iterable[str],
    thresholds: float | np.ndarray = HALF,
    scoring: Scoring | None = None,
) -> dict[str, float]:
    """CCC, F1 and accuracy of the tasks that the discriminator is trained for.

    Also `fake_rate`: the share of the real faces that it takes for generated ones.

    Args:
        scoring: labels in the place of those of `index`.
    """
    labels = index.scoring() if scoring is None else scoring
    metrics = score(answers, index.rows, labels, tasks, threshold=thresholds)
    faces = index.has_face[index.rows]
    metrics["fake_rate"] = float((answers["fake_logits"][faces] > 0).mean()) if faces.any() else 0.0
    return metrics
