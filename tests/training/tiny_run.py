"""A small training run with all that a table's run has: dropout, Adam, validation, checkpoints.

Run as a program by the kill test: `python tiny_run.py FOLDER SECONDS_PER_STEP`; prints a hash
of every variable when it ends.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.loop import Progress, Schedule, train
from kaffect.training.multitask import MultiTaskTrainer, compiled
from kaffect.training.precision import scaled

STEPS, LOOK = 24, 4


def batches(first: int, steps: int) -> tf.data.Dataset:
    """Batches as a function of the step alone."""

    def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.random.stateless_normal((8, 3), (7, step))
        return {"features": x, "target": tf.reduce_sum(x**2, axis=-1, keepdims=True)}

    return tf.data.Dataset.range(first, first + steps).map(batch)


def losses(batch: dict, outputs: dict) -> dict[str, tf.Tensor]:
    return {"loss": tf.reduce_mean((outputs["value"] - batch["target"]) ** 2)}


def make_trainer(seed: int = 3, policy: str = "float32") -> MultiTaskTrainer:
    x = keras.Input((3,))
    start = keras.initializers.GlorotUniform
    hidden = keras.layers.Dense(16, "relu", kernel_initializer=start(seed), dtype=policy)(x)
    hidden = keras.layers.Dropout(0.5, seed=seed, dtype=policy)(hidden)
    value = keras.layers.Dense(1, kernel_initializer=start(seed + 1), dtype=policy)(hidden)
    network = keras.Model(x, {"value": keras.ops.cast(value, "float32")})
    trainer = MultiTaskTrainer(network, losses, inputs="features")
    # Float16 starts with a scale that overflows: the first updates are skipped.
    return compiled(trainer, scaled(keras.optimizers.Adam(0.01), policy, first_scale=2.0**20))


def validation(trainer: MultiTaskTrainer) -> dict[str, float]:
    batch = next(iter(batches(1000, 1)))
    outputs = trainer.network(batch["features"], training=False)
    return {"score": -float(losses(batch, outputs)["loss"])}


def run(
    folder: Path,
    pause: float = 0.0,
    steps: int = STEPS,
    patience: int = 0,
    resume: bool = True,
    identity: dict | None = None,
    policy: str = "float32",
) -> tuple[MultiTaskTrainer, Progress]:
    trainer = make_trainer(policy=policy)

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            time.sleep(pause)

    progress = train(
        trainer,
        batches,
        lambda: validation(trainer),
        Schedule(steps, LOOK, patience),
        CheckpointFolder(folder),
        identity=identity,
        resume=resume,
        callbacks=[Slow()],
    )
    return trainer, progress


def fingerprint(trainer: MultiTaskTrainer) -> str:
    digest = hashlib.sha256()
    for variable in (*trainer.network.variables, *trainer.optimizer.variables):
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    made, _ = run(Path(sys.argv[1]), float(sys.argv[2]))
    print(fingerprint(made))
