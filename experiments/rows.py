"""One row of a recognition table with one seed: trained, chosen, scored (Section V-B)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from experiments.encoding import Encoder
from experiments.pictures import picture_attention, picture_faces
from experiments.sources import Source
from kaffect.config import RunConfig
from kaffect.data.pipeline import evaluation_sequences, training_sequences
from kaffect.data.records import FrameIndex
from kaffect.data.sequences import make_windows
from kaffect.evaluation.scoring import score
from kaffect.models import sequence_head, vggface_gru_attention
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.determinism import derived_seed
from kaffect.training.loop import Progress, Schedule, train
from kaffect.training.multitask import MultiTaskTrainer, adam, compiled, sequence_losses
from kaffect.training.prediction import Predictions, predict_rows, predictor
from kaffect.training.progress import StepBar, progress_bar
from kaffect.training.summaries import RunSummaries

Features = Mapping[str, np.ndarray] | None


@dataclass
class RowRun:
    """A network being trained for one row, and how its data come."""

    config: RunConfig
    source: Source
    network: keras.Model
    features: Features

    @property
    def inputs(self) -> str:
        return "images" if self.features is None else "features"

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


def build_network(config: RunConfig, source: Source, encoder: Encoder | None) -> keras.Model:
    """The trained part: RNN, attention and outputs on features, or everything end to end."""
    space = source.prepared.label_space
    model, data = config.model, config.data
    shared = {
        "expressions": len(space.expressions),
        "implementation": model.implementation,
        "dropout": model.dropout,
        "gru_units": model.gru_units,
        "attention_length": model.attention_length,
        "mask_zero_slots": model.mask_zero_slots,
        "seed": derived_seed(config.train.seed, "sequence network"),
    }
    if config.train.cnn == "fixed":
        return sequence_head(data.sequence_length, features=model.fc_units, **shared)
    network = vggface_gru_attention(
        data.sequence_length,
        image_size=data.image_size,
        width=model.width,
        fc_units=model.fc_units,
        preprocessing=model.preprocessing,
        weights=model.weights,
        **shared,
    )
    if encoder is not None:
        network.get_layer("frame_encoder").set_weights(encoder.network.get_weights())
    return network


def run_row(
    config: RunConfig,
    source: Source,
    encoder: Encoder | None,
    features: Features,
    policy: str,
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
    row = RowRun(config, source, build_network(config, source, encoder), features)
    trainer = compiled(
        MultiTaskTrainer(row.network, sequence_losses(config.loss), inputs=row.inputs),
        adam(config.train, policy),
    )
    progress = _train(row, trainer, folder, summaries, label, resume)
    answers = _predict(row, predictor(row.network), source.scored_split)
    index = source.split(source.scored_split)
    metrics = score(answers, index.rows, index.scoring(), config.loss.tasks)
    summaries.scalars(progress.step, source.scored_split, metrics)
    picture_faces(summaries, progress.step, index, answers, config.loss.tasks)
    if features is not None:
        picture_attention(summaries, progress.step, row.network, row.evaluation("validation"))
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
    row: RowRun,
    trainer: MultiTaskTrainer,
    folder: Path,
    summaries: RunSummaries,
    label: str,
    resume: bool,
) -> Progress:
    settings = row.config.train
    checkpoints = CheckpointFolder(folder)
    predict = predictor(row.network)
    index = row.source.split("validation")
    scoring = index.scoring()

    def validate() -> dict[str, float]:
        answers = _predict(row, predict, "validation")
        return score(answers, index.rows, scoring, row.config.loss.tasks)

    def on_look(look: dict[str, Any]) -> None:
        summaries.scalars(look["step"], "train", look["train"])
        summaries.scalars(look["step"], "validation", look["validation"])
        rate = float(trainer.optimizer.learning_rate.numpy())
        summaries.scalars(look["step"], "speed", {"frames_per_second": meter.rate()})
        summaries.scalars(look["step"], "optimizer", {"learning_rate": rate})

    done = (checkpoints.last() or 0) if resume else 0
    batch_frames = row.config.data.sequences * row.config.data.sequence_length
    meter = Meter(batch_frames * settings.evaluate_every)
    with progress_bar(settings.steps, label, "step", initial=done) as bar:
        return train(
            trainer,
            row.training,
            validate,
            Schedule(settings.steps, settings.evaluate_every, settings.patience),
            checkpoints,
            resume=resume,
            callbacks=[StepBar(bar, batch_frames)],
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


def _predict(row: RowRun, predict: Callable[..., dict], split: str) -> Predictions:
    index: FrameIndex = row.source.split(split)
    return predict_rows(predict, row.evaluation(split), index.rows, inputs=row.inputs)
