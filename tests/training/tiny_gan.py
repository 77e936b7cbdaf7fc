"""A small GAN run with all that a row of Table IX has: both networks, validation, checkpoints.

Run as a program by the kill test: `python tiny_gan.py FOLDER SECONDS_PER_ROUND CONFIGURATION`;
prints a hash of every variable when it ends.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kaffect.config import GanConfig
from kaffect.faces.crops import CropRule
from kaffect.labels import AFF_WILD, LabelSpace
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.gan import GanTrainer
from kaffect.training.loop import Progress, Schedule, train
from kaffect.training.runs import RunDescription

# Dropout is on in configuration 1 (style "ssgan"), so that its random state is restored too.
SETTINGS = {
    1: GanConfig().changed({
        "model.style": "ssgan", "model.width": 0.03, "data.batch": 4, "train.steps": 36,
        "train.evaluate_every": 6, "train.generator_rate": 1e-3,
    }),
    2: GanConfig().changed({
        "model.configuration": 2, "model.width": 0.01, "data.batch": 3, "train.steps": 18,
        "train.evaluate_every": 3, "train.discriminator_rate": 1e-3,
        "train.discriminator_ema": 0.9,
    }),
}  # fmt: skip
UNTRAINED = GanConfig().changed({
    "model.width": 0.05, "data.batch": 4, "train.steps": 6, "train.seed": 3,
})  # fmt: skip


def batch(step: tf.Tensor, size: int = 4) -> dict[str, tf.Tensor]:
    """One batch as a function of the step alone; a third of the labels is missing."""

    def uniform(purpose: int, *shape: int) -> tf.Tensor:
        return tf.random.stateless_uniform((size, *shape), (purpose, step))

    return {
        "images": tf.cast(uniform(1, 96, 96, 3) * 255, tf.uint8),
        "valence_arousal": uniform(2, 2) * 2 - 1,
        "valence_arousal_mask": uniform(3) > 0.3,
        "action_units": tf.round(uniform(4, 8)),
        "action_units_mask": uniform(5) > 0.3,
    }


def batches(first: int, steps: int, size: int = 4) -> tf.data.Dataset:
    return tf.data.Dataset.range(first, first + steps).map(lambda step: batch(step, size))


def one_round(config: GanConfig, first: int = 0) -> dict[str, tf.Tensor]:
    count = len(config.updates)
    return next(iter(batches(first, count, config.data.batch).batch(count)))


def make_trainer(
    config: GanConfig, policy: str = "float32", space: LabelSpace = AFF_WILD
) -> GanTrainer:
    return GanTrainer(config, space, policy)


def schedule(config: GanConfig) -> Schedule:
    return Schedule(config.train.steps, config.train.evaluate_every)


def validation(trainer: GanTrainer) -> dict[str, float]:
    """A score that moves up and down with the weights."""
    return {"score": float(np.sin(1e4 * trainer.discriminator.get_weights()[0].sum()))}


def run(
    folder: Path,
    config: GanConfig,
    pause: float = 0.0,
    policy: str = "float32",
    space: LabelSpace = AFF_WILD,
) -> tuple[GanTrainer, Progress]:
    trainer = make_trainer(config, policy, space)

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            time.sleep(pause)

    progress = train(
        trainer,
        lambda first, steps: batches(first, steps, config.data.batch),
        lambda: validation(trainer),
        schedule(config),
        CheckpointFolder(folder),
        identity=config.to_dict(),
        callbacks=[Slow()],
        resume=True,
        restore_best=False,
    )
    return trainer, progress


def describe(folder: Path, config: GanConfig) -> None:
    """What `kaffect` must know of the run beside its checkpoints."""
    crop, data = CropRule(image_size=96), {"name": "drawn", "kind": "synthetic"}
    RunDescription("gan", config, AFF_WILD, crop, 30, data).write(folder)


def fingerprint(trainer: GanTrainer, optimizers: bool = True) -> str:
    digest = hashlib.sha256()
    for name, thing in trainer.saved.items():
        if name.endswith("_optimizer") and not optimizers:
            continue
        for variable in thing.variables:
            digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


def save_untrained(folder: Path, config: GanConfig = UNTRAINED) -> GanTrainer:
    """A GAN folder as training leaves it; the average differs from the last weights."""
    trainer = make_trainer(config)
    generator = np.random.default_rng(0)
    networks = (*trainer.generator.variables, *trainer.discriminator.variables)
    for variable in (*networks, *trainer.average.averages):
        values = generator.normal(0, 0.2, variable.shape)
        # Scales, offsets and moving statistics positive: a variance must be.
        variable.assign(values if len(variable.shape) in (2, 4) else 0.5 + np.abs(values))
    describe(folder, config)
    CheckpointFolder(folder).save(6, trainer.saved, {}, best=True)
    return trainer


if __name__ == "__main__":
    made, _ = run(Path(sys.argv[1]), SETTINGS[int(sys.argv[3])], float(sys.argv[2]))
    print(fingerprint(made))
