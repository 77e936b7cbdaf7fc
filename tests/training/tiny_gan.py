"""A small GAN run with everything that a row of Table IX has: both networks, looks, checkpoints.

Run as a program by the kill test: `python tiny_gan.py FOLDER CONFIGURATION [seconds per round]`;
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

from kaffect.files import write_json
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.gan import GanTrainer
from kaffect.training.gan_config import GanConfig
from kaffect.training.gan_loop import DESCRIPTION, train_gan
from kaffect.training.loop import Progress

# Dropout is on in configuration 1 (style "ssgan"), so that its random state is restored too.
SETTINGS = {
    1: GanConfig(
        1, style="ssgan", width=0.03, batch=4, steps=36, evaluate_every=6, generator_rate=1e-3
    ),
    2: GanConfig(
        2,
        width=0.01,
        batch=3,
        steps=18,
        evaluate_every=3,
        discriminator_rate=1e-3,
        discriminator_ema=0.9,
    ),
}

UNTRAINED = GanConfig(width=0.05, batch=4, steps=6, seed=3)


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
    return next(iter(batches(first, count, config.batch).batch(count)))


def make_trainer(config: GanConfig, policy: str = "float32") -> GanTrainer:
    return GanTrainer(config, policy)


def validation(trainer: GanTrainer) -> dict[str, float]:
    """A score that moves up and down with the weights."""
    return {"score": float(np.sin(1e4 * trainer.discriminator.get_weights()[0].sum()))}


def run(
    folder: Path, config: GanConfig, pause: float = 0.0, policy: str = "float32", **options: object
) -> tuple:
    trainer = make_trainer(config, policy)

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            time.sleep(pause)

    progress: Progress = train_gan(
        trainer,
        lambda first, steps: batches(first, steps, config.batch),
        lambda: validation(trainer),
        CheckpointFolder(folder),
        callbacks=[Slow()],
        restore_best=False,
        **{"resume": True, **options},  # type: ignore[arg-type]
    )
    return trainer, progress


def fingerprint(trainer: GanTrainer, optimizers: bool = True) -> str:
    digest = hashlib.sha256()
    for name, thing in trainer.checkpointed().items():
        if name.endswith("_optimizer") and not optimizers:
            continue
        for variable in thing.variables:
            digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


def save_untrained(folder: Path, config: GanConfig = UNTRAINED) -> GanTrainer:
    """A GAN folder as training leaves it; the average differs from the last weights."""
    trainer = GanTrainer(config, "float32")
    generator = np.random.default_rng(0)
    networks = (*trainer.generator.variables, *trainer.discriminator.variables)
    for variable in (*networks, *trainer.average.averages):
        values = generator.normal(0, 0.2, variable.shape)
        # Scales, offsets and moving statistics positive: a variance must be.
        variable.assign(values if len(variable.shape) in (2, 4) else 0.5 + np.abs(values))
    write_json(folder / DESCRIPTION, {"kind": "gan", "config": config.to_dict()})
    CheckpointFolder(folder).save(6, trainer.checkpointed(), {})
    return trainer


if __name__ == "__main__":
    wait = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    made, _ = run(Path(sys.argv[1]), SETTINGS[int(sys.argv[2])], wait)
    print(fingerprint(made))
