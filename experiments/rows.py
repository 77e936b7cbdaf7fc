"""One row of a recognition table with one seed: trained, chosen, scored (Section V-B)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from experiments.encoding import Encoder
from experiments.pictures import picture_attention, picture_faces
from experiments.sources import Source
from experiments.workbench import Workbench
from kaffect.config import RunConfig
from kaffect.data.batches.pipeline import evaluation_sequences, training_sequences
from kaffect.data.batches.sequences import make_windows
from kaffect.evaluation.scoring import score
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.determinism import derived_seed
from kaffect.training.loop import Progress, Schedule, train
from kaffect.training.multitask import MultiTaskTrainer
from kaffect.training.prediction import Predictions, predict_rows
from kaffect.training.progress import training_progress
from kaffect.training.summaries import RunSummaries

Features = Mapping[str, np.ndarray] | None


@dataclass
class RowRun:
    """A network being trained for one row, how its data come and what it answers."""

    config: RunConfig
    source: Source
    trainer: MultiTaskTrainer
    predict: Callable[[tf.Tensor], dict[str, tf.Tensor]]
    features: Features

    def answers(self, split: str) -> Predictions:
        """What the network in its present state says of every frame of `split`."""
        index = self.source.split(split)
        inputs = self.trainer.inputs_key
        return predict_rows(self.predict, self.evaluation(split), index.rows, inputs=inputs)

    def evaluation(self, split: str) -> tf.data.Dataset:
        index = self.source.split(split)
        return evaluation_sequences(
            index,
            make_windows(index, self.config.data.sequence_length),
            batch=self.config.data.sequences,
            features=None if self.features is None else self.features[split],
        )

    def training(self, first: int, steps: int) -> tf.data.Dataset:
        index, data = self.source.split("train"), self.config.data
        return training_sequences(
            index,
            make_windows(index, data.sequence_length, borders=data.borders, select=data.select),
            batch=data.sequences,
            seed=derived_seed(self.config.train.seed, "sequence order"),
            first_step=first,
            steps=steps,
            features=None if self.features is None else self.features["train"],
        )


def run_row(
    config: RunConfig,
    source: Source,
    bench: Workbench,
    encoder: Encoder | None,
    features: Features,
    folder: Path,
    summaries: RunSummaries,
    *,
    label: str,
    resume: bool,
) -> dict[str, Any]:
    """Train one row and score it; give the part of its record that depends on the training.

    Args:
        features: cached output of the fixed CNN for each split, or None end to end.
        folder: its checkpoints; summaries: its TensorBoard folder.

    Raises:
        TrainingDiverged: a value was not finite; the last good checkpoint is kept.
    """
    started = time.monotonic()
    trainer = bench.trainer(config, encoder)
    row = RowRun(config, source, trainer, bench.predict, features)
    progress = _train(row, folder, summaries, label, resume)
    answers = row.answers(source.scored_split)
    index = source.split(source.scored_split)
    metrics = score(answers, index.rows, index.scoring(), config.loss.tasks)
    summaries.scalars(progress.step, source.scored_split, metrics)
    picture_faces(summaries, progress.step, index, answers, config.loss.tasks)
    if features is not None:
        picture_attention(summaries, progress.step, bench.attention, row.evaluation("validation"))
    best = next(look for look in progress.history if look["step"] == progress.best_step)
    frames = progress.step * config.data.sequences * config.data.sequence_length
    return {
        "metrics": metrics,
        "validation": best["validation"],
        "best_step": progress.best_step,
        "steps": progress.step,
        "wall_time": round(progress.seconds, 2),
        "frames_per_second": round(frames / max(progress.seconds, 1e-9), 1),
        "scoring_time": round(time.monotonic() - started - progress.seconds, 2),
    }


def _train(
    row: RowRun, folder: Path, summaries: RunSummaries, label: str, resume: bool
) -> Progress:
    settings = row.config.train
    checkpoints = CheckpointFolder(folder)
    index = row.source.split("validation")
    scoring = index.scoring()

    def validate() -> dict[str, float]:
        answers = row.answers("validation")
        return score(answers, index.rows, scoring, row.config.loss.tasks)

    def on_look(look: dict[str, Any]) -> None:
        summaries.scalars(look["step"], "train", look["train"])
        summaries.scalars(look["step"], "validation", look["validation"])
        rate = float(row.trainer.optimizer.learning_rate.numpy())
        summaries.scalars(look["step"], "speed", {"frames_per_second": meter.rate()})
        summaries.scalars(look["step"], "optimizer", {"learning_rate": rate})
        shown.look(look)

    done = (checkpoints.last() or 0) if resume else 0
    batch_frames = row.config.data.sequences * row.config.data.sequence_length
    meter = Meter(batch_frames * settings.evaluate_every)
    with training_progress(settings.steps, label, initial=done) as shown:
        return train(
            row.trainer,
            row.training,
            validate,
            Schedule(settings.steps, settings.evaluate_every, settings.patience),
            checkpoints,
            identity=row.source.identity(row.config.to_dict()),
            resume=resume,
            callbacks=[shown],
            on_look=on_look,
        )


class Meter:
    """Frames per second between two calls of `rate`, validation included."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.last = time.monotonic()

    def rate(self) -> float:
        now = time.monotonic()
        passed, self.last = now - self.last, now
        return self.frames / max(passed, 1e-9)
