"""ResNet-18 on single frames (Tables A1 to A5): network, losses, weights of tasks and classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.config.framewise import FramewiseConfig, FramewiseLoss, FramewiseModel
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import ArtifactError
from kaffect.labels import LabelSpace
from kaffect.losses import framewise_losses, tasks_with_labels, uncertainty_weighted
from kaffect.losses.framewise import TASK_NAMES
from kaffect.models import affect_network, layers_compute_in
from kaffect.training.determinism import derived_seed
from kaffect.training.ema import ExponentialMovingAverage
from kaffect.training.multitask import Batch, LossFunction, MultiTaskTrainer
from kaffect.training.precision import precision_here
from kaffect.training.schedules import make_optimizer
from kaffect.training.seen import seen_sums


def build_framewise(
    config: FramewiseConfig, space: LabelSpace, *, policy: str | None = None
) -> keras.Model:
    """The backbone of `config` with a head for each task that it trains.

    Args:
        policy: dtype policy to compute in; None: the configuration's precision.

    Raises:
        ArtifactError: the weights file cannot be read, or does not fit; says what would.
    """
    tasks = config.loss.tasks
    with layers_compute_in(policy or precision_here(config.train.precision)):
        try:
            return affect_network(
                valence_arousal="va" in tasks,
                expressions=len(space.expressions) if "expression" in tasks else 0,
                action_units=len(space.action_units) if "au" in tasks else 0,
                seed=derived_seed(config.train.seed, "resnet"),
                name=f"affect_{config.model.backbone}",
                **config.model.network,
            )
        except ArtifactError as error:
            raise ArtifactError(f"{error}{_advice(config.model)}") from error


def _advice(model: FramewiseModel) -> str:
    """Advice for weights that do not fit, if the network is not a full ResNet-18."""
    if model.width != 1:
        return (
            f". This row has model.width={model.width:g}; torchvision's weights are of the "
            "whole ResNet-18: add --set model.width=1"
        )
    if model.stem == "small":
        return ". This row has model.stem=small; torchvision's weights want imagenet or no_pool"
    return ""


# A class that is hardly ever seen does not rule the loss.
MOST_WEIGHT = 20.0


class TaskUncertainty(keras.layers.Layer):
    """One logarithm of a variance per task, at first 0: a layer only to hold the variable."""

    def __init__(self, tasks: int) -> None:
        super().__init__(name="task_uncertainty", dtype="float32")
        self.log_variances = self.add_weight(
            name="log_variances", shape=(tasks,), initializer="zeros", autocast=False
        )


class FramewiseTrainer(MultiTaskTrainer):
    """As `MultiTaskTrainer`; with `weighting` 'uncertainty' the weights of the tasks are learned.

    With `ema` a `learner` is updated, and `network`, which is validated and kept, is the moving
    average of its weights.

    Args:
        network: maps `batch['images']` to a dictionary of outputs.
        config: of the losses.
        weights: of classes and units (`label_weights`).
        strategy: as of `MultiTaskTrainer`.
        learner: built like `network`, for `ema`, the decay of the average.
    """

    def __init__(
        self,
        network: keras.Model,
        config: FramewiseLoss,
        weights: Mapping[str, Any],
        strategy: tf.distribute.Strategy | None = None,
        learner: keras.Model | None = None,
        ema: float = 0.0,
    ) -> None:
        losses_by_task = task_losses(config, weights)
        super().__init__(network, self._weighted, inputs="images", strategy=strategy)
        self.config = config
        self._task_losses = losses_by_task
        self.average: ExponentialMovingAverage | None = None
        if learner is not None:
            self.learner = learner
            with self.strategy.scope():
                self.average = ExponentialMovingAverage(learner, ema, network)
        self.uncertainty: TaskUncertainty | None = None
        if config.weighting == "uncertainty":
            with self.strategy.scope():
                self.uncertainty = TaskUncertainty(len(config.tasks))

    @property
    def trained_variables(self) -> list[Any]:
        extra = self.uncertainty.trainable_variables if self.uncertainty else []
        return [*self.learner.trainable_variables, *extra]

    @property
    def saved(self) -> dict[str, Any]:
        extra: dict[str, Any] = {"uncertainty": self.uncertainty} if self.uncertainty else {}
        if self.average is not None:
            extra |= {"learner": self.learner, "average": self.average}
        return {**super().saved, **extra}

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        terms = super().train_step(data)
        if self.average is not None:
            self.average.update()
        return terms

    def _weighted(self, batch: Batch, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        terms = self._task_losses(batch, outputs)
        shown = seen_sums(batch, outputs, self.config.tasks)
        names = [TASK_NAMES[task][0] for task in self.config.tasks]
        if self.uncertainty is not None:
            learned = tf.convert_to_tensor(self.uncertainty.log_variances)
            labelled = tasks_with_labels(batch, self.config.tasks, self.config.masked)
            total = uncertainty_weighted([terms[name] for name in names], learned, labelled)
            shown |= {f"weight_{n}": tf.exp(-learned[i]) for i, n in enumerate(names)}
            return {"loss": total, **terms, **shown}
        total = tf.add_n(
            [self.config.weight(task) * terms[TASK_NAMES[task][0]] for task in self.config.tasks]
        )
        return {"loss": total, **terms, **shown}


def compiled_trainer(
    config: FramewiseConfig,
    space: LabelSpace,
    weights: Mapping[str, Any],
    strategy: tf.distribute.Strategy,
    steps: int,
) -> FramewiseTrainer:
    """The network of `config` with its losses and optimiser, at step 0 of `steps`.

    Args:
        weights: of classes and units (`label_weights`).

    Raises:
        ArtifactError: as of `build_framewise`.
    """
    ema, learner = config.train.ema, None
    with strategy.scope():
        network = build_framewise(config, space)
        if ema:
            learner = build_framewise(config, space)
    trainer = FramewiseTrainer(network, config.loss, weights, strategy, learner, ema)
    policy = precision_here(config.train.precision)
    with strategy.scope():
        optimizer = make_optimizer(config.train, steps, policy, trainer.trained_variables)
    trainer.compile(optimizer=optimizer, jit_compile=False)
    return trainer


def task_losses(config: FramewiseLoss, weights: Mapping[str, Any]) -> LossFunction:
    """The unweighted losses of `config`'s tasks, as a function of batch and outputs."""

    def losses(batch: Batch, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return framewise_losses(
            batch,
            outputs,
            config.tasks,
            va=config.va,
            au=config.au,
            class_weights=weights.get("class_weights"),
            positive_weights=weights.get("positive_weights"),
            label_smoothing=config.label_smoothing,
            masked=config.masked,
        )

    return losses


def label_weights(
    config: FramewiseLoss, index: FrameIndex, rows: np.ndarray
) -> dict[str, tuple[float, ...]]:
    """Weights against rare classes and units, from the labels of `rows`.

    Expressions: frames / (classes x frames of the class), as scikit-learn's "balanced". Units:
    frames without / frames with it. Both at most 20; 1 for what never occurs. With `class_weights`
    'root' expressions have the square roots.

    Returns:
        `class_weights` and `positive_weights`, where the configuration asks for them.
    """
    found = {}
    if config.class_weights != "none" and "expression" in config.tasks:
        labels = index.expression[rows][index.expression_valid[rows]]
        classes = len(index.data.label_space.expressions)
        counts = np.bincount(labels, minlength=classes)
        weights = _limited(len(labels), classes * counts)
        if config.class_weights == "root":
            weights = tuple(float(w) for w in np.sqrt(weights))
        found["class_weights"] = weights
    if config.positive_weights == "balanced" and "au" in config.tasks:
        units = index.action_units[rows][index.au_valid[rows]].astype(np.int64)
        present = units.sum(axis=0)
        found["positive_weights"] = _limited(len(units) - present, present)
    return found


def _limited(numerator: np.ndarray | int, denominator: np.ndarray) -> tuple[float, ...]:
    ratio = np.divide(numerator, np.maximum(denominator, 1))
    limited = np.clip(ratio, 1.0 / MOST_WEIGHT, MOST_WEIGHT)
    return tuple(float(v) for v in np.where(denominator > 0, limited, 1.0))
