"""How rows of Tables A1 to A5 are trained and scored: ResNet-18 on single frames."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.config.framewise import FramewiseConfig, FramewiseData
from kaffect.data.annotations.submissions import write_submission
from kaffect.data.batches.pipeline import evaluation_frames, training_frames
from kaffect.data.batches.warp import Warp
from kaffect.data.prepared.records import FrameIndex
from kaffect.data.prepared.stills import StillSet, read_stills
from kaffect.errors import ArtifactError, DatasetError
from kaffect.studies.framewise.comparison import count_notes, loss_notes
from kaffect.studies.framewise.criteria import legend, shown_metrics, with_columns
from kaffect.studies.framewise.pictures import draw_training
from kaffect.studies.framewise.scores import labels_of, score_frames
from kaffect.studies.plan import Plan, Training
from kaffect.studies.problems import StartError
from kaffect.studies.row import Adapter, Record, RowTraining, Scored
from kaffect.studies.scoring import HALF, thresholds_for
from kaffect.studies.sources import Source
from kaffect.studies.still_predictions import write_still_predictions
from kaffect.studies.submission import submissions
from kaffect.training.determinism import derived_seed
from kaffect.training.frame_choice import next_rows, training_rows, validation_rows
from kaffect.training.framewise import (
    FramewiseTrainer,
    build_framewise,
    label_weights,
    task_losses,
)
from kaffect.training.loop import LENGTH, Progress, Schedule
from kaffect.training.precision import precision_here
from kaffect.training.prediction import Predictions, predict_rows, predictor
from kaffect.training.schedules import make_optimizer, plateau_rate
from kaffect.training.seen import seen_scores, without_sums
from kaffect.training.summaries import RunSummaries

WARP_SETTINGS = ("flip", "rotation", "zoom", "shift", "brightness", "contrast", "erase")


class Framewise(Adapter):
    """Tables A1 to A5, on videos or on a list of stills."""

    SHOWN = ("p_va", "p_expr", "p_au", "p_mtl", "accuracy")
    UNITS = True
    PICTURES = "pictures"

    def __init__(
        self, plan: Plan, source: Source, folder: Path, strategy: tf.distribute.Strategy
    ) -> None:
        super().__init__(plan, source, folder, strategy)
        # Now, because the list may change while the rows are trained.
        self.stills = read_stills(plan.data) if plan.stills and plan.data else None

    def prepare(self, training: Training, folder: Path) -> RowTraining:
        return FrameTraining(training, self.source, self.strategy, self.folder, self.stills)

    def free(self, training: Training) -> tuple[str, ...]:
        train = training.config.train
        if train.schedule == "constant":
            return LENGTH
        # A cosine's rate depends on the number of steps in all, a plateau's on where validation
        # passes are: after each epoch, or with `steps` after each of `epochs` equal parts.
        return ("train.epochs",) if train.schedule == "plateau" and not train.steps else ()

    def notes(self, variant: str) -> tuple[str, ...]:
        found, data = [], self.source.prepared
        if self.source.predicted_only:
            found.append("predictions for the test set are in the folder submissions")
        if self.plan.data is not None:
            found += count_notes(self.plan.table.name, data, videos=not self.plan.stills)
        return tuple(found)

    @staticmethod
    def report_columns(
        plan: Plan, records: list[Record], printed: Iterable[str]
    ) -> tuple[list[Record], Sequence[str] | None]:
        shown = [with_columns(record) for record in records]
        measured = {name for record in shown for name in record["metrics"]}
        wanted, criteria = plan.table.metrics, plan.criteria
        return shown, shown_metrics(wanted, set(printed) | measured, criteria)

    @staticmethod
    def report_notes(records: Sequence[Record], metrics: Sequence[str]) -> list[str]:
        return [*legend(metrics), *loss_notes(records)]


class FrameTraining(RowTraining):
    """A network of single frames being trained: its frames, its steps and what it answers.

    Raises:
        DatasetError: no frame has the labels that the row wants.
        StartError: the weights file is none, or not one of the row's network.
    """

    def __init__(
        self,
        training: Training,
        source: Source,
        strategy: tf.distribute.Strategy,
        folder: Path,
        stills: StillSet | None,
    ) -> None:
        self.training, self.source, self.folder, self.stills = training, source, folder, stills
        config: FramewiseConfig = training.config
        self.config = config
        index = source.split("train")
        self.rows = training_rows(config, index)
        self.validation = _validation(config, source)
        self.weights = label_weights(config.loss, index, self.seen)
        self.schedule = schedule_of(config, len(self.seen))
        self.trainer = _trainer(config, source, self.weights, strategy, self.schedule.steps)
        self.frames_per_step = config.data.batch
        self.predict = predictor(self.trainer.network)
        self._losses = task_losses(config.loss, self.weights)
        self._busy = time.process_time()

    @property
    def seen(self) -> np.ndarray:
        """The training rows [n], each once."""
        groups = self.rows if isinstance(self.rows, tuple) else (self.rows,)
        return np.unique(np.concatenate(groups))

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

    def before(self, progress: Progress) -> None:
        if self.config.train.schedule == "plateau":
            losses = [entry["validation"]["loss"] for entry in progress.history]
            self.trainer.optimizer.learning_rate = plateau_rate(self.config.train, losses)

    def after_validation(self, entry: dict[str, Any], summaries: RunSummaries) -> None:
        means = entry["train"]
        entry["train"] = {**without_sums(means), **seen_scores(means)}

    def answers(self, index: FrameIndex) -> Predictions:
        """What the network in its present state says of every row of `index` that counts."""
        batches = evaluation_frames(index, batch=128)
        return predict_rows(self.predict, batches, index.rows, inputs="images")

    def thresholds(self, answers: Predictions) -> float | np.ndarray:
        """Of Action Units, as logits, from answers for the validation frames."""
        if self.config.train.thresholds == "half":
            return HALF
        return thresholds_for(answers, self.validation.rows, self.validation.scoring())

    def validate(self) -> dict[str, float]:
        """Criteria on the validation frames, and the losses of the tasks and their sum there."""
        answers = self.answers(self.validation)
        found = self._scores(self.validation, answers, self.thresholds(answers))
        terms = self._losses(labels_of(self.validation), answers)
        losses = {f"loss_{name}": float(value) for name, value in terms.items()}
        return {**found, **losses, "loss": sum(losses.values())}

    def _scores(
        self, index: FrameIndex, answers: Predictions, thresholds: float | np.ndarray
    ) -> dict[str, float]:
        tasks, space = self.config.loss.tasks, index.data.label_space
        return score_frames(answers, index.rows, index.scoring(), tasks, space, thresholds)

    def score(self, progress: Progress) -> Scored:
        thresholds = self.thresholds(self.answers(self.validation))
        split, index = self.source.scored_split, self.validation
        if self.config.data.scored == "next":
            split = "train"
        else:
            index = self.source.split(split)
        answers = self.answers(index)
        metrics = self._scores(index, answers, thresholds)
        units = len(index.data.label_space.action_units)
        every = self.schedule.evaluate_every
        extra = {
            "frames": {"train": len(self.seen), "validation": len(self.validation)},
            "best_epoch": round(progress.best_step / every, 2),
            "epochs_to_95_percent": epochs_to_95_percent(progress, every),
            "cpu_time": round(time.process_time() - self._busy, 2),
            "notes": self._scored_note(),
        }
        chosen = np.broadcast_to(np.asarray(thresholds, np.float64), units)
        return Scored(split, index, answers, metrics, tuple(chosen.tolist()), extra)

    def _scored_note(self) -> list[str]:
        """What the report says of a row that is scored on other frames than the rest."""
        if self.config.data.scored == "all":
            return []
        frames = len(self.validation)
        which = f"the {frames} training frames that follow those it was trained on"
        return [f"row {self.training.number} is validated and scored on {which}"]

    def draw(self, scored: Scored, record: Record, summaries: RunSummaries) -> None:
        draw_training(self, scored, record, self.folder / "pictures", summaries)
        name, tasks = self.training.name, self.config.loss.tasks
        thresholds = np.array(scored.thresholds)
        if self.stills is not None:
            path = self.folder / "checkpoints" / name / "predictions.csv"
            names = self.stills.names(scored.index.name)
            write_still_predictions(path, names, scored.index, scored.answers, tasks, thresholds)
            return
        submitted = {name: (scored.index, scored.answers)}
        if self.source.predicted_only:
            test = self.source.split("test")
            submitted[f"{name}-test"] = test, self.answers(test)
        for stem, (index, answers) in submitted.items():
            for task, submission in submissions(index, answers, tasks, thresholds).items():
                write_submission(self.folder / "submissions" / f"{stem}-{task}.txt", submission)


def warp_of(data: FramewiseData) -> Warp:
    """The augmentation that `data` asks for."""
    return Warp(**{name: getattr(data, name) for name in WARP_SETTINGS})


def schedule_of(config: FramewiseConfig, frames: int) -> Schedule:
    """Steps in all, and a validation pass after each epoch (or equal part) of `frames`."""
    train = config.train
    if train.steps:
        return Schedule(train.steps, max(1, train.steps // train.epochs), train.patience)
    every = -(-frames // config.data.batch)
    return Schedule(every * train.epochs, every, train.patience)


def _validation(config: FramewiseConfig, source: Source) -> FrameIndex:
    if config.data.scored == "next":
        index = source.split("train")
        found = index.with_rows(next_rows(config, index))
    else:
        index = source.split("validation")
        found = index.with_rows(validation_rows(config, index))
    if not len(found):
        raise DatasetError("no validation frame has a label of a task that this row trains")
    return found


def _trainer(
    config: FramewiseConfig,
    source: Source,
    weights: Any,
    strategy: tf.distribute.Strategy,
    steps: int,
) -> FramewiseTrainer:
    try:
        with strategy.scope():
            network = build_framewise(config, source.prepared.label_space)
    except ArtifactError as error:
        raise _with_advice(config, error) from error
    trainer = FramewiseTrainer(network, config.loss, weights, strategy)
    policy = precision_here(config.train.precision)
    with strategy.scope():
        optimizer = make_optimizer(config.train, steps, policy, trainer.trained_variables)
    trainer.compile(optimizer=optimizer, jit_compile=False)
    return trainer


def _with_advice(config: FramewiseConfig, error: ArtifactError) -> StartError:
    """`error` of a weights file, with what to do where the row's network is not the whole one."""
    text = str(error)
    if config.model.width != 1:
        text += (
            f". This row has model.width={config.model.width:g}; torchvision's weights are of the "
            "whole ResNet-18: add --set model.width=1"
        )
    elif config.model.stem == "small":
        text += ". This row has model.stem=small; torchvision's weights want imagenet or no_pool"
    return StartError(text)


def epochs_to_95_percent(progress: Progress, every: int) -> float:
    """After how many epochs of `every` steps the validation score first had 95 % of its best."""
    wanted = min(0.95 * max(progress.best_score, 0.0), progress.best_score)
    first = next(e for e in progress.history if e["validation"]["score"] >= wanted)
    return round(first["step"] / every, 2)
