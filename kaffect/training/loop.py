"""The training loop: evaluate, keep the best on validation, stop early, resume bit-exactly.

Serves every table: one run is a sequence of equal intervals, each of which
ends with a look at the validation set and a checkpoint. Data order is a
function of (seed, step), so that the step number is all that a resumed run
needs beside the variables.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import keras
import tensorflow as tf

from kaffect.config import from_dict
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.guards import NonFiniteGuard, require_finite
from kaffect.training.loss_scaling import NORM, SKIPPED

DatasetFrom = Callable[[int, int], tf.data.Dataset]
Validate = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Schedule:
    """How long to train: `steps` updates at most, a look at validation every `evaluate_every`."""

    steps: int
    evaluate_every: int
    patience: int = 0


@dataclass
class Progress:
    """What a run knows of itself; saved with each checkpoint.

    `step` counts batches; under loss scaling the update of one may have been skipped.
    `history` has one entry for each look: step, validation metrics and training terms, the
    means over the steps since the look before (`skipped_updates` is a number).
    """

    step: int = 0
    best_step: int = 0
    best_score: float = float("-1e30")
    looks_without_gain: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def should_stop(self, schedule: Schedule) -> bool:
        exhausted = schedule.patience and self.looks_without_gain >= schedule.patience
        return bool(exhausted) or self.step >= schedule.steps


def train(
    trainer: keras.Model,
    dataset_from: DatasetFrom,
    validate: Validate,
    schedule: Schedule,
    checkpoints: CheckpointFolder,
    *,
    identity: Mapping[str, Any] | None = None,
    score: str = "score",
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_look: Callable[[dict[str, Any]], None] = lambda look: None,
    before: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train until the schedule or patience ends, then leave the best weights in the trainer.

    Args:
        trainer: compiled and built, its optimiser built.
        dataset_from: (first step, number of steps) -> batches of exactly those steps.
        validate: current weights -> validation metrics, among them `score`, the larger the better.
        identity: all that decides the run's numbers (settings, hash of the data); stated beside
            the checkpoints, see `CheckpointFolder.begin`.
        resume: go on from the newest checkpoint where there is one; without it the run starts
            over, and what the folder has of an earlier run is deleted.
        callbacks: Keras callbacks for every interval (progress bars).
        on_look: receives each new entry of the history (TensorBoard).
        before: is called before each interval (a learning rate that depends on the history).

    Raises:
        TrainingDiverged: a term or a validation metric was not finite, or too many updates in
            a row were skipped (`NonFiniteGuard`); no checkpoint holds it.
        ArtifactError: a checkpoint is damaged, or of another network.
        ConfigError: the run to go on with has another `identity`.
    """
    objects = trainer.saved
    progress = Progress()
    last = checkpoints.begin(identity or {}, resume=resume)
    if last is not None:
        progress = from_dict(Progress, checkpoints.restore(last, objects), "checkpoint state")
    guard = NonFiniteGuard(progress.step)
    while not progress.should_stop(schedule):
        started = time.monotonic()
        steps = min(schedule.evaluate_every, schedule.steps - progress.step)
        before(progress)
        terms = _interval(trainer, dataset_from, progress.step, steps, guard, callbacks)
        progress.step += steps
        metrics = validate()
        require_finite(metrics, progress.step)
        progress.seconds += time.monotonic() - started
        look = {"step": progress.step, "train": terms, "validation": metrics}
        progress.history.append(look)
        improved = metrics[score] > progress.best_score
        if improved:
            progress.best_step, progress.best_score = progress.step, metrics[score]
        progress.looks_without_gain = 0 if improved else progress.looks_without_gain + 1
        checkpoints.save(progress.step, objects, asdict(progress), best=improved)
        on_look(look)
    best = checkpoints.best()
    if best is not None and best != progress.step:
        checkpoints.restore(best, objects)
    return progress


def _interval(
    trainer: keras.Model,
    dataset_from: DatasetFrom,
    first: int,
    steps: int,
    guard: NonFiniteGuard,
    callbacks: Sequence[keras.callbacks.Callback],
) -> dict[str, float]:
    means = _Means()
    trainer.fit(
        dataset_from(first, steps),
        steps_per_epoch=steps,
        shuffle=False,  # the order is the data set's own
        verbose=0,
        callbacks=[guard, means, *callbacks],
    )
    return means.result()


class _Means(keras.callbacks.Callback):
    """Means of every term over the steps of an interval: a curve of single batches says little.

    `skipped_updates` is their number instead, and the gradient's norm is the mean of those that
    were applied; it is absent where none was.
    """

    def __init__(self) -> None:
        super().__init__()
        self._totals: dict[str, float] = {}
        self._steps: dict[str, int] = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        for term, value in logs.items():
            if term == NORM and logs.get(SKIPPED):
                continue
            self._totals[term] = self._totals.get(term, 0.0) + float(value)
            self._steps[term] = self._steps.get(term, 0) + 1

    def result(self) -> dict[str, float]:
        """Term -> mean, or number."""
        return {
            term: total if term == SKIPPED else total / self._steps[term]
            for term, total in self._totals.items()
        }
