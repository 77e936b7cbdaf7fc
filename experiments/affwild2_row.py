"""One row of Tables A1 to A5 with one seed: ResNet-18 trained, chosen, scored (second study)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.affwild2_problems import weights_advice
from experiments.rows import Meter
from experiments.sources import Source
from kaffect.data.batches.pipeline import evaluation_frames, training_frames
from kaffect.data.batches.warp import Warp
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import ArtifactError, DatasetError
from kaffect.evaluation.framewise import labels_of, score_frames
from kaffect.evaluation.scoring import HALF, threshold_record, thresholds_for
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.determinism import derived_seed
from kaffect.training.frame_choice import next_rows, training_rows, validation_rows
from kaffect.training.frame_runs import build_frame_network
from kaffect.training.frames import FrameTrainer, label_weights, task_losses
from kaffect.training.frames_config import FrameConfig, FrameData
from kaffect.training.loop import Progress, Schedule, train
from kaffect.training.precision import precision_here
from kaffect.training.prediction import Predictions, predict_rows, predictor
from kaffect.training.progress import training_progress
from kaffect.training.schedules import make_optimizer, plateau_rate
from kaffect.training.summaries import RunSummaries

WARP_SETTINGS = ("flip", "rotation", "zoom", "shift", "brightness", "contrast", "erase")


def warp_of(data: FrameData) -> Warp:
    """The augmentation that `data` asks for."""
    return Warp(**{name: getattr(data, name) for name in WARP_SETTINGS})


@dataclass(frozen=True)
class Scored:
    """The frames that a row is scored on, what its network says of them, and where units begin."""

    index: FrameIndex
    answers: Predictions
    thresholds: float | np.ndarray


@dataclass
class FrameRun:
    """A network being trained for one row: its frames, its steps and what it answers."""

    config: FrameConfig
    source: Source
    strategy: tf.distribute.Strategy = field(default_factory=tf.distribute.get_strategy)
    rows: np.ndarray | tuple[np.ndarray, ...] = field(init=False)
    validation: FrameIndex = field(init=False)
    trainer: FrameTrainer = field(init=False)
    predict: Callable[[tf.Tensor], Mapping[str, tf.Tensor]] = field(init=False)
    scored: Scored = field(init=False)

    def __post_init__(self) -> None:
        config, space = self.config, self.source.prepared.label_space
        train_index = self.source.split("train")
        self.rows = training_rows(config, train_index)
        if config.data.scored == "next":
            self.validation = train_index.with_rows(next_rows(config, train_index))
        else:
            index = self.source.split("validation")
            self.validation = index.with_rows(validation_rows(config, index))
        try:
            with self.strategy.scope():
                network = build_frame_network(config, space)
        except ArtifactError as error:
            raise weights_advice(config, error) from error
        self.weights = label_weights(config.loss, train_index, self.seen)
        self.trainer = FrameTrainer(network, config.loss, self.weights, self.strategy)
        with self.strategy.scope():
            optimizer = make_optimizer(
                config.train,
                self.schedule.steps,
                precision_here(config.train.precision),
                self.trainer.trained_variables,
            )
        self.trainer.compile(optimizer=optimizer, jit_compile=False)
        self.predict = predictor(network)
        self._losses = task_losses(config.loss, self.weights)

    @property
    def seen(self) -> np.ndarray:
        """The training rows, each once."""
        groups = self.rows if isinstance(self.rows, tuple) else (self.rows,)
        return np.unique(np.concatenate(groups))

    @property
    def schedule(self) -> Schedule:
        """Steps in all, and a look after each epoch (or equal part)."""
        settings = self.config.train
        look = -(-len(self.seen) // self.config.data.batch)
        if settings.steps:
            look = max(1, settings.steps // settings.epochs)
            return Schedule(settings.steps, look, settings.patience)
        return Schedule(look * settings.epochs, look, settings.patience)

    def batches(self, first: int, steps: int) -> tf.data.Dataset:
        data = self.config.data
        return training_frames(
            self.source.split("train"),
            batch=data.batch,
            seed=derived_seed(self.config.train.seed, "frame order"),
            first_step=first,
            steps=steps,
            augment=warp_of(data),
            rows=self.rows,
            mixing=data.mixing,
            mixing_alpha=data.mixing_alpha,
        )

    def answers(self, index: FrameIndex) -> Predictions:
        """What the network in its present state says of every row of `index` that counts."""
        return predict_rows(
            self.predict, evaluation_frames(index, batch=128), index.rows, inputs="images"
        )

    def thresholds(self, answers: Predictions) -> float | np.ndarray:
        """Of Action Units, as logits, from answers for the validation frames."""
        if self.config.train.thresholds == "half":
            return HALF
        return thresholds_for(answers, self.validation.rows, self.validation.scoring())

    def validate(self) -> dict[str, float]:
        """Criteria on the validation frames, and the losses of the tasks and their sum there."""
        answers = self.answers(self.validation)
        found = self.scores(self.validation, answers, self.thresholds(answers))
        terms = self._losses(labels_of(self.validation), answers)
        losses = {f"loss_{name}": float(value) for name, value in terms.items()}
        return {**found, **losses, "loss": sum(losses.values())}

    def scores(
        self, index: FrameIndex, answers: Predictions, thresholds: float | np.ndarray
    ) -> dict[str, float]:
        return score_frames(
            answers,
            index.rows,
            index.scoring(),
            self.config.loss.tasks,
            index.data.label_space,
            thresholds,
        )


def run_row(
    config: FrameConfig,
    source: Source,
    folder: Path,
    summaries: RunSummaries,
    *,
    label: str,
    resume: bool,
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[dict[str, Any], FrameRun]:
    """Train one row and score it; give the part of its record that depends on the training.

    Args:
        folder: its checkpoints; summaries: its TensorBoard folder.
        strategy: of `choose_strategy`; None: one device.

    Raises:
        TrainingDiverged: a value was not finite; the last good checkpoint is kept.
        DatasetError: no frame has the labels that the row wants.
        StartError: the weights file is none, or not one of the row's network.
        ArtifactError: a checkpoint to go on from is damaged or of another configuration.
    """
    started, busy = time.monotonic(), time.process_time()
    run = FrameRun(config, source, strategy or tf.distribute.get_strategy())
    progress = _train(run, folder, summaries, label, resume)
    answers = run.answers(run.validation)
    thresholds = run.thresholds(answers)
    split = source.scored_split
    if config.data.scored == "next":
        split, index = "train", run.validation
    else:
        index = source.split(split)
    run.scored = Scored(index, run.answers(index), thresholds)
    metrics = run.scores(index, run.scored.answers, thresholds)
    summaries.scalars(progress.step, split, metrics)
    best = next(look for look in progress.history if look["step"] == progress.best_step)
    look = run.schedule.evaluate_every
    images = progress.step * config.data.batch
    record = {
        "metrics": metrics,
        "scored_split": split,
        "validation": best["validation"],
        "history": progress.history,
        **threshold_record(thresholds, len(index.data.label_space.action_units)),
        "frames": {"train": len(run.seen), "validation": len(run.validation)},
        "images_seen": images,
        "best_step": progress.best_step,
        "best_epoch": round(progress.best_step / look, 2),
        "epochs_to_convergence": converged(progress, look),
        "steps": progress.step,
        "wall_time": round(progress.seconds, 2),
        "cpu_time": round(time.process_time() - busy, 2),
        "images_per_second": round(images / max(progress.seconds, 1e-9), 1),
        "scoring_time": round(time.monotonic() - started - progress.seconds, 2),
    }
    return record, run


def converged(progress: Progress, look: int, share: float = 0.95) -> float:
    """After how many epochs the validation score first had `share` of its best gain over 0."""
    wanted = share * max(progress.best_score, 0.0)
    step = next(e["step"] for e in progress.history if e["validation"]["score"] >= min(
        wanted, progress.best_score))  # fmt: skip
    return round(step / look, 2)


def _train(
    run: FrameRun, folder: Path, summaries: RunSummaries, label: str, resume: bool
) -> Progress:
    checkpoints, schedule = CheckpointFolder(folder), run.schedule
    settings, optimizer = run.config.train, run.trainer.optimizer
    if not len(run.validation):
        raise DatasetError("no validation frame has a label of a task that this row trains")

    def set_rate(progress: Progress) -> None:
        if settings.schedule == "plateau":
            losses = [look["validation"]["loss"] for look in progress.history]
            optimizer.learning_rate = plateau_rate(settings, losses)

    def on_look(look: dict[str, Any]) -> None:
        summaries.scalars(look["step"], "train", look["train"])
        summaries.scalars(look["step"], "validation", look["validation"])
        rate = float(np.asarray(optimizer.learning_rate))
        summaries.scalars(look["step"], "speed", {"images_per_second": meter.rate()})
        summaries.scalars(look["step"], "optimizer", {"learning_rate": rate})
        shown.look(look)

    done = (checkpoints.last() or 0) if resume else 0
    meter = Meter(run.config.data.batch * schedule.evaluate_every)
    with training_progress(schedule.steps, label, initial=done) as shown:
        return train(
            run.trainer,
            run.batches,
            run.validate,
            schedule,
            checkpoints,
            identity=run.source.identity(run.config.to_dict()),
            resume=resume,
            callbacks=[shown],
            on_look=on_look,
            before=set_rate,
        )
