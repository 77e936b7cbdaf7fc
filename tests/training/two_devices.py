"""The same updates on one device and on two: what they differ by, as JSON on standard output.

Run as a program, `python -m tests.training.two_devices FOLDER NAME...`, because a process has the
devices that it started with. The two are parts of one processor. Batches are those of the
pipelines, of a drawn data tree: with masks and padding, of a size that two devices cannot halve.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.config import FramewiseConfig, RecognitionConfig
from kaffect.data.batches.pipeline import training_sequences
from kaffect.data.batches.sequences import make_windows
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.data.tree import DataTree
from kaffect.studies.experiment import Row
from kaffect.studies.framewise.study import FrameTraining
from kaffect.studies.plan import Training
from kaffect.studies.sources import Source
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.devices import choose_strategy
from kaffect.training.multitask import MultiTaskTrainer, adam, compiled, sequence_losses
from kaffect.training.networks import build_network
from tests.data.drawing import build_tree

SIZE, UPDATES = 32, 5
# (optimiser, rate of dropout, strategy) -> a trainer and batches.
Make = Callable[[str, float, tf.distribute.Strategy], tuple[MultiTaskTrainer, tf.data.Dataset]]


class Terms(keras.callbacks.Callback):
    """Keeps what every update reports."""

    def __init__(self) -> None:
        super().__init__()
        self.terms: list[dict[str, float]] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.terms.append({name: float(value) for name, value in (logs or {}).items()})


def sequences(prepared: PreparedData, cnn: str) -> Make:
    """Table XI on three sequences: two for one device, one for the other."""
    index = prepared.split("train")
    features = np.random.default_rng(0).normal(size=(len(index.track), 12)).astype(np.float32)

    def make(optimizer: str, dropout: float, strategy: tf.distribute.Strategy) -> Any:
        config = RecognitionConfig().changed({
            "model.width": 0.0625, "model.fc_units": 12, "model.gru_units": (8, 8),
            "model.attention_length": 4, "model.dropout": dropout, "data.sequences": 3,
            "data.sequence_length": 6, "data.image_size": SIZE, "train.cnn": cnn,
            "train.precision": "float32",
        })  # fmt: skip
        inputs = "features" if cnn == "fixed" else "images"
        with strategy.scope():
            network = build_network(config, prepared.label_space)
            sgd = keras.optimizers.SGD(0.1)
            chosen = sgd if optimizer == "sgd" else adam(config.train, "float32")
        losses = sequence_losses(config.loss)
        trainer = MultiTaskTrainer(network, losses, inputs=inputs, strategy=strategy)
        windows = make_windows(index, 6)
        cached = features if cnn == "fixed" else None
        batches = training_sequences(index, windows, batch=3, steps=UPDATES, features=cached)
        return compiled(trainer, chosen), batches

    return make


def frames(prepared: PreparedData) -> Make:
    """Table A4 with MixAugment: ResNet-18, three tasks, twice as many pictures as labels."""
    source = Source("drawn", "synthetic", prepared, "all", "test", ())

    def make(optimizer: str, dropout: float, strategy: tf.distribute.Strategy) -> Any:
        config = FramewiseConfig().changed({
            "model.image_size": SIZE, "model.width": 0.125, "model.dropout": dropout,
            "model.stem": "no_pool", "data.batch": 6, "data.mixing": "mixaugment",
            "train.optimizer": optimizer, "train.momentum": 0.0, "train.learning_rate": 1e-3,
            "train.precision": "float32",
        })  # fmt: skip
        training = Training(1, Row("drawn", "", {}), "", config, "")
        run = FrameTraining(training, source, strategy, Path(), None)
        for variable in run.trainer.network.trainable_variables:
            # Four deviations off ReLU's kink: a unit that rounding takes to its other side
            # changes the gradient by much more than rounding does. Heads of no great error.
            kind = variable.path.rpartition("/")[2]
            if kind in ("gamma", "beta"):
                variable.assign(tf.fill(variable.shape, 0.25 if kind == "gamma" else 1.0))
            elif len(variable.shape) == 2:
                variable.assign(0.1 * tf.convert_to_tensor(variable))
        return run.trainer, run.batches(0, UPDATES)

    return make


def compared(make: Make, folder: Path) -> dict[str, float]:
    """The largest differences between one device and two."""
    gradients, after, losses, trainers = [], [], [], []
    for strategy in (tf.distribute.get_strategy(), choose_strategy(["CPU:0", "CPU:1"])):
        trainer, batches = make("sgd", 0.0, strategy)
        gradients.append(gradient(trainer, batches))
        fitted(trainer, batches, UPDATES)
        after.append(weights(trainer))
        trainers.append(trainer)
        looks = fitted(*make("adam", 0.5, strategy), UPDATES)
        losses.append([look["loss"] for look in looks])
    # What two devices saved is taken up by one.
    checkpoints = CheckpointFolder(folder)
    checkpoints.save(UPDATES, trainers[1].saved, {})
    checkpoints.restore(UPDATES, trainers[0].saved)
    return {
        "gradients": gap(*gradients),
        "weights": gap(*after),
        "losses": gap(losses[:1], losses[1:]),
        "resumed": gap(weights(trainers[0]), after[1]),
        "largest_gradient": max(float(np.abs(g).max()) for g in gradients[0]),
    }


def gradient(trainer: MultiTaskTrainer, batches: tf.data.Dataset) -> list[np.ndarray]:
    """What one update of rate 1 takes from the weights, which are put back."""
    before, rate = weights(trainer), trainer.optimizer.learning_rate.numpy()
    trainer.optimizer.learning_rate = 1.0
    fitted(trainer, batches, 1)
    taken = [old - new for old, new in zip(before, weights(trainer))]
    for variable, value in zip(trainer.network.variables, before):
        variable.assign(value)
    trainer.optimizer.learning_rate = rate
    return taken


def fitted(
    trainer: MultiTaskTrainer, batches: tf.data.Dataset, updates: int
) -> list[dict[str, float]]:
    """Terms of so many updates, made as `kaffect.training.loop` makes them."""
    seen = Terms()
    trainer.fit(batches, steps_per_epoch=updates, shuffle=False, verbose=0, callbacks=[seen])
    return seen.terms


def weights(trainer: MultiTaskTrainer) -> list[np.ndarray]:
    """All of the network's, with the moving statistics of batch normalisation."""
    return [variable.numpy() for variable in trainer.network.variables]


def gap(first: list[Any], second: list[Any]) -> float:
    pairs = zip(first, second, strict=True)
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


def main(folder: Path, names: list[str]) -> dict[str, dict[str, float]]:
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)
    tree = DataTree.open(build_tree(folder / "tree"))
    data = prepare_tree(
        tree, folder / "data", image_size=SIZE, detector="none", progress=False, encoding="png"
    )
    prepared = PreparedData.open(data)
    cases = {
        "fixed": lambda: sequences(prepared, "fixed"),
        "end_to_end": lambda: sequences(prepared, "end_to_end"),
        "mixed": lambda: frames(prepared),
    }
    return {name: compared(cases[name](), folder / name) for name in names}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2:])))
