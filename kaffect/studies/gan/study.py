"""How rows of Table IX are trained and scored: GANs whose discriminator estimates (Section V-A)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.config.gan import GanConfig
from kaffect.data.prepared.records import FrameIndex
from kaffect.studies.experiment import Changes
from kaffect.studies.gan import VARIANTS
from kaffect.studies.gan.discriminator import Judge, score_answers, score_discriminator
from kaffect.studies.gan.faces import real_faces
from kaffect.studies.gan.notes import alarm_notes, half_notes, quality_notes
from kaffect.studies.gan.quality import QualityMeters
from kaffect.studies.gan.watch import GanWatch
from kaffect.studies.plan import Plan, Training
from kaffect.studies.row import Adapter, Record, RowTraining, Scored
from kaffect.studies.sources import Source, open_planned
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.gan import GanTrainer
from kaffect.training.gan_data import GanBatches
from kaffect.training.loop import Progress, Schedule
from kaffect.training.summaries import RunSummaries

REAL_FACES = 256  # whose pairwise distance stands beside the generated ones'
# Prepared faces; each configuration shrinks them to its own size.
PREPARED_SIZE = 96
UNSAID = "the paper does not say which configuration its Table IX is of"


class Gan(Adapter):
    """Table IX; a generator's quality is measured with features that all rows share."""

    SHOWN = ("ccc_valence", "ccc_arousal", "au_f1_weighted", "au_f1_macro", "au_accuracy")
    UNITS = True
    PICTURES = "checkpoints"
    SEVERAL_DEVICES = False

    def __init__(
        self, plan: Plan, source: Source, folder: Path, strategy: tf.distribute.Strategy
    ) -> None:
        super().__init__(plan, source, folder, strategy)
        self._quality = QualityMeters(source)

    @staticmethod
    def open_source(plan: Plan) -> Source:
        source = open_planned(plan, plan.study.partition, PREPARED_SIZE)
        return source.scored_as(next(plan.trainings()).config.data)

    def prepare(self, training: Training, folder: Path) -> RowTraining:
        return GanTraining(training.config, self.source, folder, self._quality)

    def notes(self, variant: str) -> tuple[str, ...]:
        if len(self.plan.variants) > 1:
            return (f"{UNSAID}: both are reported",)
        this = _model(VARIANTS[variant])
        other = _model({"model.configuration": 3 - this.configuration})
        return (
            f"{UNSAID}: this is {this.title}; --configuration {other.configuration} runs the "
            f"other ({other.image_size}x{other.image_size})",
        )

    @staticmethod
    def report_notes(records: Sequence[Record], metrics: Sequence[str]) -> list[str]:
        return [*half_notes(records), *quality_notes(records), *alarm_notes(records)]


def _model(changes: Changes) -> Any:
    return GanConfig().changed(changes).model


class GanTraining(RowTraining):
    """Training of one generator and discriminator.

    Args:
        quality: measures the trained generator.
    """

    restore_best = False  # the generator is judged as training leaves it

    def __init__(
        self, config: GanConfig, source: Source, folder: Path, quality: QualityMeters
    ) -> None:
        self.config, self.source, self.folder, self._quality = config, source, folder, quality
        self.trainer = GanTrainer(config, source.prepared.label_space)
        self.judge = Judge(self.trainer)
        self.schedule = schedule_of(config)
        self.frames_per_step = config.data.batch
        train = source.prepared.split("train")
        self._batches = GanBatches.of(config, train, source.partition)
        real, _ = real_faces(source, config.model.image_size, REAL_FACES)
        self.watch = GanWatch(self.trainer, folder, real)
        self._validation = source.split("validation")

    @property
    def networks(self) -> Mapping[str, keras.Model]:
        return {name: getattr(self.trainer, name) for name in ("generator", "discriminator")}

    def started(self) -> None:
        self.trainer.restart_averages()

    def batches(self, first: int, steps: int) -> tf.data.Dataset:
        return self._batches(first, steps)

    def validate(self) -> dict[str, float]:
        return score_discriminator(self.judge, self._validation).metrics

    def after_validation(self, entry: dict[str, Any], summaries: RunSummaries) -> None:
        self.watch(entry, summaries)

    def resumed(self, history: list[dict[str, Any]]) -> None:
        self.watch.resume(history)

    def learning_rates(self) -> dict[str, float]:
        return {}  # constant, and settings

    def score(self, progress: Progress) -> Scored:
        """The best checkpoint is scored; the trainer has its last weights before and after."""
        checkpoints = CheckpointFolder(self.folder)
        best, split = checkpoints.best(), self.source.scored_split
        if best is not None and best != progress.step:
            checkpoints.restore(best, self.trainer.saved)
        chosen = score_discriminator(self.judge, self._validation).thresholds
        index = self.source.split(split)
        answers, metrics, _ = score_discriminator(self.judge, index, chosen)
        if best is not None and best != progress.step:
            checkpoints.restore(progress.step, self.trainer.saved)
        units = len(self.trainer.unit_names)
        thresholds = np.broadcast_to(np.asarray(chosen, np.float64), units)
        extra = self._extra(progress, np.ndim(chosen) > 0, answers, index)
        return Scored(split, index, answers, metrics, tuple(thresholds.tolist()), extra)

    def _extra(
        self, progress: Progress, chosen: bool, answers: Any, index: FrameIndex
    ) -> Mapping[str, Any]:
        last = progress.history[-1]
        found: dict[str, Any] = {
            "last_validation_score": last["validation"]["score"],
            "generator": last["generator"],
            "alarms": sorted({text for entry in progress.history for text in entry["alarms"]}),
            "unlabelled_frames": int(len(self._batches.hidden)),
        }
        if chosen:
            found["metrics_at_half"] = score_answers(answers, index, self.config.loss.tasks)
        return found

    def draw(self, scored: Scored, record: Record, summaries: RunSummaries) -> None:
        self.watch.animate()
        record.update(self._quality(self.trainer))


def schedule_of(config: GanConfig) -> Schedule:
    """The number of updates, and of those between validation passes, in whole rounds."""
    train = config.train
    return Schedule(config.in_rounds(train.steps), config.in_rounds(train.evaluate_every))
