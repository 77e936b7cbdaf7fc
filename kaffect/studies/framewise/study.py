"""How rows of Tables A1 to A5 are trained and scored: ResNet-18 on single frames."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.config.framewise import FramewiseConfig
from kaffect.data.batches.pipeline import evaluation_frames, training_frames
from kaffect.data.batches.warp import Warp
from kaffect.data.prepared.records import FrameIndex
from kaffect.data.prepared.stills import StillSet, read_stills
from kaffect.errors import ArtifactError
from kaffect.studies.framewise.comparison import count_notes, loss_notes
from kaffect.studies.framewise.criteria import (
    epochs_to_95_percent,
    legend,
    shown_metrics,
    with_columns,
)
from kaffect.studies.framewise.generated import (
    beside,
    faces_key,
    generated_faces,
    generated_in_batch,
)
from kaffect.studies.framewise.pictures import draw_training
from kaffect.studies.framewise.scores import labels_of, score_frames
from kaffect.studies.plan import Plan, Training
from kaffect.studies.problems import StartError
from kaffect.studies.row import Adapter, Record, RowTraining, Scored
from kaffect.studies.scoring import HALF, thresholds_for
from kaffect.studies.sources import Source
from kaffect.studies.still_predictions import write_still_predictions
from kaffect.studies.submission import write_submissions
from kaffect.training.determinism import derived_seed
from kaffect.training.frame_choice import training_rows, validation_frames
from kaffect.training.framewise import compiled_trainer, label_weights, task_losses
from kaffect.training.loop import LENGTH, Progress, Schedule
from kaffect.training.prediction import Predictions, predict_rows, predictor
from kaffect.training.schedules import plateau_rate
from kaffect.training.seen import seen_scores, without_sums
from kaffect.training.summaries import RunSummaries


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

    def shared_work(self, training: Training) -> str:
        if not training.config.generated.count:
            return training.name
        return faces_key(training.config, self.source)

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
    """Training of one single-frame network: its frames, batches, validation and scores.

    Raises:
        DatasetError: no frame has the labels that the row needs.
        StartError: the weights file cannot be read or does not fit the row's network.
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
        self.validation = validation_frames(config, source.split)
        self.weights = label_weights(config.loss, index, self.seen)
        self.schedule = Schedule.of(config.train, -(-len(self.seen) // config.data.batch))
        space, steps = source.prepared.label_space, self.schedule.steps
        try:
            self.trainer = compiled_trainer(config, space, self.weights, strategy, steps)
        except ArtifactError as error:
            raise StartError(str(error)) from error
        self.frames_per_step = config.data.batch
        self.predict = predictor(self.trainer.network)
        self._losses = task_losses(config.loss, self.weights)
        self.generated = generated_faces(config, source) if config.generated.count else None
        self._busy = time.process_time()

    @property
    def seen(self) -> np.ndarray:
        """The training rows [n], each once."""
        groups = self.rows if isinstance(self.rows, tuple) else (self.rows,)
        return np.unique(np.concatenate(groups))

    def batches(self, first: int, steps: int) -> tf.data.Dataset:
        data, train = self.config.data, self.source.split("train")
        if self.generated is None:
            return self._frames(train, self.rows, data.batch, "frame order", first, steps)
        drawn, count = self.generated, generated_in_batch(self.config)
        return beside(
            self._frames(train, self.rows, data.batch - count, "frame order", first, steps),
            self._frames(drawn, drawn.rows, count, "generated order", first, steps),
        )

    def _frames(
        self, index: FrameIndex, rows: Any, batch: int, order: str, first: int, steps: int
    ) -> tf.data.Dataset:
        data = self.config.data
        return training_frames(
            index,
            batch=batch,
            seed=derived_seed(self.config.train.seed, order),
            first_step=first,
            steps=steps,
            augment=Warp.of(data),
            rows=rows,
            mixing=data.mixing,
            mixing_alpha=data.mixing_alpha,
        )

    def started(self) -> None:
        if self.trainer.average is not None:
            self.trainer.average.restart()

    def before(self, progress: Progress) -> None:
        if self.config.train.schedule == "plateau":
            losses = [entry["validation"]["loss"] for entry in progress.history]
            self.trainer.optimizer.learning_rate = plateau_rate(self.config.train, losses)

    def after_validation(self, entry: dict[str, Any], summaries: RunSummaries) -> None:
        means = entry["train"]
        entry["train"] = {**without_sums(means), **seen_scores(means)}

    def answers(self, index: FrameIndex) -> Predictions:
        """The network's current outputs for `index.rows`, in their order: name -> [rows, k]."""
        batches = evaluation_frames(index, batch=128)
        return predict_rows(self.predict, batches, index.rows, inputs="images")

    def thresholds(self, answers: Predictions) -> float | np.ndarray:
        """Thresholds of the Action Units (logits), from outputs for the validation frames."""
        if self.config.train.thresholds == "half":
            return HALF
        return thresholds_for(answers, self.validation.rows, self.validation.scoring())

    def validate(self) -> dict[str, float]:
        """Criteria on the validation frames, with the loss of each task and their sum."""
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
        validated = self.answers(self.validation)
        thresholds = self.thresholds(validated)
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
            "frames": {
                "train": len(self.seen),
                "validation": len(self.validation),
                **({"generated": len(self.generated)} if self.generated is not None else {}),
            },
            "best_epoch": round(progress.best_step / every, 2),
            "epochs_to_95_percent": epochs_to_95_percent(progress.history, every),
            "cpu_time": round(time.process_time() - self._busy, 2),
            "notes": self._scored_note(),
        }
        chosen = np.broadcast_to(np.asarray(thresholds, np.float64), units)
        chosen_by = self.validation, validated
        return Scored(split, index, answers, metrics, tuple(chosen.tolist()), extra, chosen_by)

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
            place = self.folder / "submissions"
            write_submissions(place, stem, index, answers, tasks, thresholds)
