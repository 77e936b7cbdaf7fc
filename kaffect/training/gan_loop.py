"""The GANs' training loop: whole rounds of the schedule, looks, checkpoints, resume, alarms."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.config import from_dict
from kaffect.errors import ArtifactError, ConfigError, TrainingDiverged, expected_received
from kaffect.files import read_json, write_json
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.gan import GanTrainer
from kaffect.training.gan_config import GanConfig
from kaffect.training.guards import KEPT, require_finite
from kaffect.training.loop import DatasetFrom, Progress, Validate
from kaffect.training.loss_scaling import SKIPPED
from kaffect.training.precision import recorded

# Settings that decide which variables a checkpoint has and what they mean.
_IDENTITY = (
    "configuration", "kernel", "style", "width", "label_space", "valence_arousal", "action_units",
)  # fmt: skip
# What may change when a run goes on.
MAY_CHANGE = ("gan.steps", "gan.evaluate_every")
DESCRIPTION = "gan.json"
# Metrics, data and notes of the finished run, beside its checkpoints.
RESULT = "result.json"


class RoundGuard(keras.callbacks.Callback):
    """Stops at the first term that is not finite, and keeps the means of all terms.

    Also under loss scaling, where an update whose gradients were finite at no scale ends with a
    norm that is not.

    Args:
        updates: the letters of one round.
        first_step: updates made before this fit began.

    Raises:
        TrainingDiverged: behind the round that holds the offending update, before anything
            is saved; names update and term.
    """

    def __init__(self, updates: str, first_step: int) -> None:
        super().__init__()
        self.updates, self.step = updates, first_step
        self._sums: dict[str, float] = {}
        self._rounds = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        bad = []
        for term, value in (logs or {}).items():
            values = np.atleast_1d(np.asarray(value, np.float64))
            letter = "G" if term.startswith("generator_") else "D"
            places = [i for i, update in enumerate(self.updates, start=1) if update == letter]
            bad += [
                (self.step + place, term, number)
                for place, number in zip(places, values)
                if not np.isfinite(number)
            ]
            share = values.sum() if term.endswith(SKIPPED) else values.mean()
            self._sums[term] = self._sums.get(term, 0.0) + float(share)
        if bad:
            first = min(step for step, _, _ in bad)
            terms = ", ".join(sorted(f"{term} is {n}" for step, term, n in bad if step == first))
            raise TrainingDiverged(f"Training stopped at step {first}: {terms}. {KEPT}")
        self.step += len(self.updates)
        self._rounds += 1

    def means(self) -> dict[str, float]:
        """Mean of each term over the rounds seen; of `skipped_updates` the number."""
        return {
            term: total if term.endswith(SKIPPED) else total / self._rounds
            for term, total in self._sums.items()
        }


def rounds(batches: tf.data.Dataset, updates: int) -> tf.data.Dataset:
    """Group single batches into rounds: every tensor gets a first axis of `updates`."""
    return batches.batch(updates, drop_remainder=True)


def require_same_gan(expected: GanConfig, found: dict[str, Any], where: object) -> None:
    """Raises `ArtifactError` where `found` (a saved configuration) is another network's."""
    for name in _IDENTITY:
        mine, theirs = getattr(expected, name), found.get(name)
        if mine != theirs:
            raise ArtifactError(
                f"{where}: "
                + expected_received(f"a checkpoint of another GAN: {name}", mine, theirs)
            )


def train_gan(
    trainer: GanTrainer,
    dataset_from: DatasetFrom,
    validate: Validate,
    checkpoints: CheckpointFolder,
    *,
    data: str | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_look: Callable[[dict[str, Any]], None] = lambda look: None,
    on_resume: Callable[[list[dict[str, Any]]], None] = lambda history: None,
    restore_best: bool = True,
) -> Progress:
    """Train for `trainer.config.steps` updates, rounded up to whole rounds.

    Args:
        trainer: fresh.
        dataset_from: (first step, number of steps) -> that many batches, one for each update.
        validate: current weights -> validation metrics, among them `score`.
        checkpoints: of this run.
        data: hash of the prepared data.
        resume: go on from the newest checkpoint where there is one, if settings and data are
            those of its run; only `steps` (more) and `evaluate_every` may change. Without it the
            run starts over, and what the folder has of an earlier run is deleted.
        callbacks: Keras callbacks; a batch is one round for them.
        on_look: receives each new entry of the history; may add to it.
        on_resume: receives the history up to the checkpoint that is resumed.
        restore_best: leave the weights that were best on validation in the trainer, not the last.

    Raises:
        TrainingDiverged: a term or a validation metric was not finite; no checkpoint holds it.
        ArtifactError: a checkpoint is damaged, or of another network.
        ConfigError: the run to go on with has other settings or data, or more steps.
    """
    config, objects = trainer.config, trainer.checkpointed()
    progress = Progress()
    total = config.in_rounds(config.steps)
    every = config.in_rounds(config.evaluate_every)
    last = _begin(config, data, checkpoints, resume)
    if last is not None:
        progress = from_dict(Progress, restore_gan(trainer, checkpoints, last), "checkpoint state")
        on_resume(progress.history)
    described = {"kind": "gan", "config": config.to_dict()}
    write_json(checkpoints.root / DESCRIPTION, described, sealed=True)
    while progress.step < total:
        started = time.monotonic()
        steps = min(every, total - progress.step)
        guard = RoundGuard(config.updates, progress.step)
        trainer.fit(
            rounds(dataset_from(progress.step, steps), len(config.updates)),
            steps_per_epoch=steps // len(config.updates),
            shuffle=False,  # the order is the data set's own
            verbose=0,
            callbacks=[guard, *callbacks],
        )
        progress.step += steps
        metrics = validate()
        require_finite(metrics, progress.step)
        progress.seconds += time.monotonic() - started
        look = {"step": progress.step, "train": guard.means(), "validation": metrics}
        on_look(look)
        progress.history.append(look)
        improved = metrics["score"] > progress.best_score
        if improved:
            progress.best_step, progress.best_score = progress.step, metrics["score"]
        progress.looks_without_gain = 0 if improved else progress.looks_without_gain + 1
        checkpoints.save(progress.step, objects, asdict(progress), best=improved)
    best = checkpoints.best()
    if restore_best and best is not None and best != progress.step:
        restore_gan(trainer, checkpoints, best)
    return progress


def _begin(
    config: GanConfig, data: str | None, checkpoints: CheckpointFolder, resume: bool
) -> int | None:
    last = checkpoints.last() if resume else None
    if last is not None and last > config.in_rounds(config.steps):
        accepted = f"{last} or more, which the run there has made"
        raise ConfigError(
            f"{checkpoints.root}: {expected_received('gan.steps', accepted, config.steps)}"
        )
    return checkpoints.begin(gan_identity(config, data), resume=resume, free=MAY_CHANGE)


def gan_identity(config: GanConfig, data: str | None) -> dict[str, Any]:
    """What a GAN run is; `data` is the hash of the prepared data. See `CheckpointFolder.begin`."""
    return {"gan": config.to_dict()} | ({} if data is None else {"prepared data": data})


def restore_gan(
    trainer: GanTrainer, checkpoints: CheckpointFolder, step: int, *, optimizers: bool = True
) -> dict[str, Any]:
    """Set both networks, optimisers and the average from the checkpoint of `step`.

    Args:
        optimizers: False leaves them alone: only those of float16 have a loss scale, so that
            they do not fit a trainer of another precision.

    Returns:
        The saved `Progress` as a dictionary.

    Raises:
        ArtifactError: missing, damaged, or of another configuration; names what differs.
    """
    require_same_gan(trainer.config, saved_config(checkpoints.root), checkpoints.root)
    objects = trainer.checkpointed()
    if not optimizers:
        objects = {name: o for name, o in objects.items() if not name.endswith("_optimizer")}
    return checkpoints.restore(step, objects, only=not optimizers)


def saved_config(folder: Path) -> dict[str, Any]:
    """The settings of the run in `folder`.

    Raises:
        ArtifactError: `folder` holds no GAN.
    """
    path = folder / DESCRIPTION
    if not path.is_file():
        below = sorted([*folder.glob(f"*/{DESCRIPTION}"), *folder.glob(f"*/*/{DESCRIPTION}")])
        found = ", ".join(str(p.parent) for p in below) or "none there, and none below it"
        raise ArtifactError(
            f"{folder}: expected the folder of one trained GAN, with a {DESCRIPTION}. "
            f"Received: {found}"
        )
    description = read_json(path)
    if not isinstance(description, dict) or description.get("kind") != "gan":
        raise ArtifactError(f"{path}: expected the description of a GAN. Received: something else")
    config: dict[str, Any] = description["config"]
    return config


def load_gan(folder: str | Path, which: str = "last", policy: str | None = None) -> GanTrainer:
    """The networks of the run in `folder`, as trained; the optimisers are new.

    Args:
        folder: of the run's checkpoints.
        which: "last", or "best" on validation.
        policy: dtype policy to compute in; None: the run's own, which gives its scores again.

    Raises:
        ArtifactError: `folder` holds no GAN or no complete checkpoint.
    """
    checkpoints = CheckpointFolder(folder)
    config = GanConfig.from_dict(saved_config(checkpoints.root), str(folder))
    if which not in ("last", "best"):
        raise ConfigError(expected_received("Unknown checkpoint", ("last", "best"), which))
    step = checkpoints.last() if which == "last" else checkpoints.best()
    if step is None:
        raise ArtifactError(f"{folder}: expected a trained GAN. Received: no complete checkpoint")
    trainer = GanTrainer(config, policy or recorded(config))
    restore_gan(trainer, checkpoints, step, optimizers=False)
    return trainer
