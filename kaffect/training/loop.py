"""The training loop: validate, keep the best on validation, stop early, resume bit-exactly.

Serves every table: one run is a sequence of equal intervals, each of which
ends with a validation pass and a checkpoint. Data order is a function of
(seed, step), so that the step number is all that a resumed run needs beside
the variables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import tensorflow as tf

from kaffect.config import from_dict
from kaffect.config.framewise import FramewiseTraining
from kaffect.config.recognition import RecognitionTraining
from kaffect.errors import ConfigError, expected_received
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.guards import require_finite

DatasetFrom = Callable[[int, int], tf.data.Dataset]
Validate = Callable[[], dict[str, float]]
# What may change when a run goes on: how long it is.
LENGTH = ("train.steps", "train.epochs", "train.evaluate_every")


@dataclass(frozen=True)
class Schedule:
    """How long to train: at most `steps` updates, a validation pass every `evaluate_every`.

    `patience`: stop after so many validation passes without a better score; 0 never does.
    """

    steps: int
    evaluate_every: int
    patience: int = 0

    @classmethod
    def of(cls, train: RecognitionTraining | FramewiseTraining, epoch: int) -> Schedule:
        """The schedule that `train` asks for; `train.steps` are divided into `train.epochs` parts.

        Args:
            epoch: updates of one epoch where `train.steps` is 0.
        """
        if train.steps:
            return cls(train.steps, max(1, train.steps // train.epochs), train.patience)
        return cls(epoch * train.epochs, epoch, train.patience)


@dataclass
class Progress:
    """The state of a run beside its variables; saved with each checkpoint.

    `step` counts updates; under loss scaling one may have been skipped.
    `history` has one entry for each validation pass: step, validation metrics and training
    terms, the means over the steps since the pass before (`skipped_updates` is a number).
    """

    step: int = 0
    best_step: int = 0
    best_score: float = float("-1e30")
    passes_without_gain: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def best(self) -> dict[str, Any]:
        """The history's entry of the checkpoint that validation chose."""
        return next(entry for entry in self.history if entry["step"] == self.best_step)

    def should_stop(self, schedule: Schedule) -> bool:
        exhausted = schedule.patience and self.passes_without_gain >= schedule.patience
        return bool(exhausted) or self.step >= schedule.steps

    def add(self, entry: dict[str, Any], score: float) -> bool:
        """Append the entry of a validation pass; return whether its score is the best so far."""
        self.history.append(entry)
        improved = score > self.best_score
        if improved:
            self.best_step, self.best_score = self.step, score
        self.passes_without_gain = 0 if improved else self.passes_without_gain + 1
        return improved


def train(
    trainer: keras.Model,
    dataset_from: DatasetFrom,
    validate: Validate,
    schedule: Schedule,
    checkpoints: CheckpointFolder,
    *,
    identity: Mapping[str, Any] | None = None,
    free: Sequence[str] = LENGTH,
    score: str = "score",
    resume: bool = False,
    restore_best: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    before: Callable[[Progress], None] = lambda progress: None,
    on_validation: Callable[[dict[str, Any]], None] = lambda entry: None,
    on_resume: Callable[[list[dict[str, Any]]], None] = lambda history: None,
) -> Progress:
    """Train until the schedule or patience ends, then leave the best weights in the trainer.

    Args:
        trainer: compiled and built, its optimiser built. It has `saved` (name -> object with
            variables), `guard` (first step -> callback that stops on what is not finite and knows
            the means) and `updates_in_batch`, by which batches are grouped (a GAN's round).
        dataset_from: (first step, number of steps) -> batches of exactly those steps.
        validate: current weights -> validation metrics, among them `score`, the larger the better.
        schedule: in whole rounds.
        identity: all that decides the run's numbers (settings, hash of the data); stated beside
            the checkpoints, see `CheckpointFolder.begin`.
        free: settings of `identity` that may change when the run goes on.
        resume: go on from the newest checkpoint where there is one; without it the run starts
            over, and what the folder has of an earlier run is deleted.
        restore_best: False leaves the last weights in the trainer.
        callbacks: Keras callbacks for every interval (progress bars).
        before: is called before each interval (a learning rate that depends on the history).
        on_validation: receives each new entry of the history and may add to it (TensorBoard).
        on_resume: receives the history up to the checkpoint that is resumed.

    Raises:
        TrainingDiverged: a term or a validation metric was not finite, or too many updates in
            a row were skipped; no checkpoint holds it.
        ArtifactError: a checkpoint is damaged, or of another network.
        ConfigError: the run to go on with has another `identity`, or has made more steps.
    """
    objects, progress = trainer.saved, Progress()
    if resume:
        require_more(checkpoints, schedule)
    last = checkpoints.begin(identity or {}, resume=resume, free=tuple(free))
    if last is not None:
        state = checkpoints.restore(last, objects)
        progress = from_dict(Progress, state, "checkpoint state")
        on_resume(progress.history)
    guard = trainer.guard(progress.step)
    while not progress.should_stop(schedule):
        started = time.monotonic()
        steps = min(schedule.evaluate_every, schedule.steps - progress.step)
        before(progress)
        _fit(trainer, dataset_from(progress.step, steps), steps, [guard, *callbacks])
        progress.step += steps
        metrics = validate()
        require_finite(metrics, progress.step)
        progress.seconds += time.monotonic() - started
        entry = {"step": progress.step, "train": guard.means(), "validation": metrics}
        on_validation(entry)
        improved = progress.add(entry, metrics[score])
        checkpoints.save(progress.step, objects, asdict(progress), best=improved)
    best = checkpoints.best()
    if restore_best and best is not None and best != progress.step:
        checkpoints.restore(best, objects)
    return progress


def require_more(checkpoints: CheckpointFolder, schedule: Schedule) -> None:
    """Raise `ConfigError` where the run to go on with has made more steps than `schedule` has."""
    last = checkpoints.last()
    if last is not None and last > schedule.steps:
        what = f"{checkpoints.root}: train.steps"
        accepted = f"{last} or more, which the run there has made"
        raise ConfigError(expected_received(what, accepted, schedule.steps))


def _fit(
    trainer: keras.Model,
    batches: tf.data.Dataset,
    steps: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    group = trainer.updates_in_batch
    trainer.fit(
        batches if group == 1 else batches.batch(group, drop_remainder=True),
        steps_per_epoch=steps // group,
        shuffle=False,  # the order is the data set's own
        verbose=0,
        callbacks=list(callbacks),
    )
