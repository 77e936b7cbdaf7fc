"""Weights of tasks, classes and units; an interrupted training of single frames."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from kaffect.config.framewise import FramewiseLoss, FramewiseTraining
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.framewise import FramewiseTrainer, label_weights
from kaffect.training.loop import Schedule, train
from kaffect.training.schedules import make_optimizer
from tests.training.twelve_frames import index


def test_weights_of_classes_and_units():
    rng = np.random.default_rng(0)
    expression = np.concatenate([np.arange(8), rng.choice(8, 92, p=np.arange(1, 9) / 36)])
    units = (rng.random((100, 12)) < 0.3).astype(np.int8)
    units[:, 3], units[1:, 4] = 0, 0
    units[0, 4] = 1
    columns = {"expression": expression, "action_units": units}
    columns |= {f"{t}_valid": np.ones(100, bool) for t in ("expression", "au")}
    losses = FramewiseLoss(class_weights="balanced", positive_weights="balanced")
    found = label_weights(losses, index(**columns), np.arange(100))
    expected = compute_class_weight("balanced", classes=np.arange(8), y=expression)
    np.testing.assert_allclose(found["class_weights"], np.clip(expected, 0.05, 20))
    root = label_weights(FramewiseLoss(class_weights="root"), index(**columns), np.arange(100))
    np.testing.assert_allclose(root["class_weights"], np.clip(expected, 0.05, 20) ** 0.5)
    present = units.sum(axis=0)
    assert found["positive_weights"][0] == pytest.approx((100 - present[0]) / present[0])
    assert found["positive_weights"][3] == 1.0, "never seen: nothing to weigh"
    assert found["positive_weights"][4] == 20.0, "seen once: limited"
    assert label_weights(FramewiseLoss(), index(**columns), np.arange(100)) == {}


def network() -> keras.Model:
    x = keras.Input((4, 4, 3), name="images")
    h = keras.layers.Flatten()(x)
    start = keras.initializers.GlorotUniform
    outputs = {
        "valence_arousal": keras.layers.Dense(2, kernel_initializer=start(1))(h),
        "expression_logits": keras.layers.Dense(8, kernel_initializer=start(2))(h),
    }
    return keras.Model(x, outputs)


def make_trainer(weighting: str = "uncertainty", ema: float = 0.0) -> FramewiseTrainer:
    losses = FramewiseLoss(tasks=("va", "expression"), weighting=weighting, va_weight=3.0)
    learner = network() if ema else None
    trainer = FramewiseTrainer(network(), losses, {}, learner=learner, ema=ema)
    settings = FramewiseTraining(optimizer="adamw", learning_rate=0.01, weight_decay=0.01)
    optimizer = make_optimizer(settings, 24, "float32", trainer.trained_variables)
    trainer.compile(optimizer=optimizer, jit_compile=False)
    return trainer


def batches(first: int, steps: int) -> tf.data.Dataset:
    def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.random.stateless_normal((8, 4, 4, 3), (7, step))
        return {
            "images": images,
            "valence_arousal": tf.reduce_mean(images, axis=(1, 2))[:, :2],
            "expression": tf.cast(images[:, 0, 0, 0] > 0, tf.int32),
        }

    return tf.data.Dataset.range(first, first + steps).map(batch)


def run(folder: Path, steps: int, seen: list, ema: float = 0.0) -> FramewiseTrainer:
    trainer = make_trainer(ema=ema)

    def note(progress) -> None:
        seen.append((progress.step, len(progress.history)))

    train(
        trainer,
        batches,
        lambda: {"score": float(trainer.optimizer.iterations.numpy())},
        Schedule(steps, 4),
        CheckpointFolder(folder),
        resume=True,
        before=note,
    )
    return trainer


def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path):
    """With an average of the weights; without one: tests/studies/framewise/test_resume.py."""
    ema = 0.9
    seen: list = []
    whole = run(tmp_path / "whole", 12, seen, ema)
    assert seen == [(0, 0), (4, 1), (8, 2)]
    run(tmp_path / "parts", 4, [], ema)
    parts = run(tmp_path / "parts", 12, seen := [], ema)
    assert seen == [(4, 1), (8, 2)]
    ours, theirs = (
        [*t.trained_variables, *t.optimizer.variables, *t.network.variables] for t in (whole, parts)
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(whole.uncertainty.log_variances.numpy()).min() > 0.01, "they were learned"


def test_the_network_is_the_average_of_what_is_trained():
    trainer = make_trainer("fixed", ema=0.15)
    wanted = trainer.network.get_weights()
    for n, batch in enumerate(batches(0, 4)):
        trainer.train_step(batch)
        decay = min(0.15, (1 + n) / (10 + n))
        new = trainer.learner.get_weights()
        wanted = [decay * a + (1 - decay) * b for a, b in zip(wanted, new)]
    assert not np.allclose(new[0], wanted[0], atol=1e-5)
    for a, b in zip(trainer.network.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_fixed_weights_multiply_their_tasks():
    trainer = make_trainer("fixed")
    batch = next(iter(batches(0, 1)))
    terms = trainer.train_step(batch)
    expected = 3.0 * float(terms["valence_arousal"]) + float(terms["expression"])
    assert float(terms["loss"]) == pytest.approx(expected, rel=1e-6)
    assert trainer.uncertainty is None and len(trainer.trained_variables) == 4


def test_a_task_without_a_label_keeps_its_learned_weight():
    """SGD's step is the gradient: exp(-s) L - 1/2 at s = 0 is L - 1/2, and 0 without labels."""
    for missing in (None, "valence_arousal", "expression"):
        trainer = make_trainer()
        trainer.compile(optimizer=keras.optimizers.SGD(1.0), jit_compile=False)
        masks = {f"{missing}_mask": tf.zeros(8, tf.bool)} if missing else {}
        terms = trainer.train_step({**next(iter(batches(0, 1))), **masks})
        expected = [
            0.0 if name == missing else float(terms[name]) - 0.5
            for name in ("valence_arousal", "expression")
        ]
        np.testing.assert_allclose(trainer.uncertainty.log_variances, expected, rtol=1e-5)
