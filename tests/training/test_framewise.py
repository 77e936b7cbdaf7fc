"""Training of the framewise study: choice of frames, rates, learned weights, resuming."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from kaffect.config import FramewiseConfig
from kaffect.config.framewise import FramewiseLoss, FramewiseTraining
from kaffect.config.recognition import Pretraining, RecognitionTraining
from kaffect.errors import DatasetError
from kaffect.labels import AFF_WILD2
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.frame_choice import next_rows, subset, training_rows, validation_rows
from kaffect.training.framewise import FramewiseTrainer, label_weights
from kaffect.training.loop import Schedule, train
from kaffect.training.pretraining import frame_trainer
from kaffect.training.schedules import make_optimizer, plateau_rate, warm_cosine
from tests.data.stand_in import Columns


def index(**columns):
    """Twelve frames with the attributes of a `FrameIndex` that are read."""
    numbers = np.arange(12)
    found = {
        "rows": numbers,
        "has_face": numbers != 3,
        "va_valid": numbers % 2 == 0,
        "expression_valid": numbers % 3 == 0,
        "au_valid": numbers < 7,
        "expression": np.array([0, 0, 0, 0, 0, 0, 1, 0, 0, 5, 0, 0]),
        "action_units": np.zeros((12, 12), np.int8),
        "data": SimpleNamespace(label_space=AFF_WILD2),
    }
    return Columns(**{**found, **columns})


def config(**settings) -> FramewiseConfig:
    return FramewiseConfig().changed({k.replace("__", "."): v for k, v in settings.items()})


# --- frames and weights --------------------------------------------------------------------------


def test_which_frames_are_trained_on():
    assert training_rows(config(loss__tasks=["expression"]), index()).tolist() == [0, 6, 9]
    both = config(loss__tasks=["va", "expression"])
    assert training_rows(both, index()).tolist() == [0, 2, 4, 6, 8, 9, 10]
    anything = config(loss__tasks=["expression"], data__labels="any")
    assert training_rows(anything, index()).tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert training_rows(config(data__labels="complete"), index()).tolist() == [0, 6]
    assert validation_rows(both, index()).tolist() == [0, 2, 4, 6, 8, 9, 10]


def test_the_next_frames_follow_those_trained_on():
    few = config(data__labels="any", data__scored="next", data__subset="first",
                 data__train_share=0.5, data__validation_share=0.3)  # fmt: skip
    assert training_rows(few, index()).tolist() == [0, 1, 2, 4]
    assert next_rows(few, index()).tolist() == [5, 6, 8]
    assert next_rows(few.changed({"data.validation_share": 0.01}), index()).tolist() == [5]
    assert next_rows(few.changed({"data.labels": "complete"}), index()).tolist() == [6]


def test_balanced_training_has_a_group_for_each_task():
    groups = training_rows(config(data__balanced=True), index())
    assert [g.tolist() for g in groups] == [[0, 2, 4, 6, 8, 10], [0, 6, 9], [0, 1, 2, 4, 5, 6]]
    alone = training_rows(config(data__balanced=True, loss__tasks=["va"]), index())
    assert isinstance(alone, np.ndarray)


def test_subsets_are_the_same_in_every_run_and_random_ones_spread():
    rows = np.arange(0, 3000, 3)
    first, chosen = (subset(rows, 0.1, kind, "train") for kind in ("first", "random"))
    assert first.tolist() == rows[:100].tolist()
    assert len(chosen) == 100 and (np.diff(chosen) > 0).all() and chosen.max() > 2500
    assert np.isin(chosen, rows).all()
    np.testing.assert_array_equal(chosen, subset(rows, 0.1, "random", "train"))
    assert not np.array_equal(chosen, subset(rows, 0.1, "random", "validation"))


def test_no_frame_at_all_is_told():
    nothing = np.zeros(12, bool)
    with pytest.raises(DatasetError, match="a label of all three tasks"):
        training_rows(config(data__labels="complete"), index(au_valid=nothing))
    with pytest.raises(DatasetError, match="label of task 'au'"):
        training_rows(config(data__balanced=True), index(au_valid=nothing))


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
    present = units.sum(axis=0)
    assert found["positive_weights"][0] == pytest.approx((100 - present[0]) / present[0])
    assert found["positive_weights"][3] == 1.0, "never seen: nothing to weigh"
    assert found["positive_weights"][4] == 20.0, "seen once: limited"
    assert label_weights(FramewiseLoss(), index(**columns), np.arange(100)) == {}


# --- rates ---------------------------------------------------------------------------------------


def test_plateau_is_pytorchs():
    """Written down from `torch.optim.lr_scheduler.ReduceLROnPlateau(factor=0.5, patience=1)`."""
    settings = FramewiseTraining(learning_rate=8.0, plateau_factor=0.5, plateau_patience=1)
    losses = [1.0, 0.9, 0.95, 0.9, 0.91, 0.92, 0.8, 0.79999, 0.81, 0.7]
    rates = [plateau_rate(settings, losses[:n]) for n in range(1, 11)]
    assert rates == [8, 8, 8, 4, 4, 2, 2, 2, 1, 1]


def test_cosine_rises_and_falls():
    rate = warm_cosine(0.1, 100, 10)
    values = [float(rate(step)) for step in (0, 4, 9, 10, 55, 99, 100)]
    last = 0.05 * (1 + np.cos(np.pi * 89 / 90))
    expected = [0.1 / 11, 0.5 / 11, 1.0 / 11, 0.1, 0.05, last, 0.0]
    np.testing.assert_allclose(values, expected, rtol=2e-4, atol=1e-7)
    assert float(warm_cosine(0.1, 100, 0)(0)) == pytest.approx(0.1)
    # A warm-up takes a quarter of the updates at most.
    assert [float(warm_cosine(0.1, 4, 50)(step)) for step in (0, 1)] == pytest.approx([0.05, 0.1])


def test_the_first_update_of_a_warm_up_is_an_update():
    """Of both studies: SGD's first step with gradient 1 is the rate."""
    settings = FramewiseTraining(
        optimizer="sgd", momentum=0.0, learning_rate=0.5, schedule="cosine", warmup=4
    )
    single = frame_trainer(
        keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]),
        Pretraining(steps=100, learning_rate=0.5, warmup=4), RecognitionTraining(), "float32",
    )  # fmt: skip
    assert float(single.optimizer.learning_rate) == pytest.approx(0.1)
    weight = keras.Variable(np.ones(1))
    make_optimizer(settings, 100, "float32", [weight]).apply([tf.ones(1)], [weight])
    np.testing.assert_allclose(weight, [0.9])


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_epsilon_is_pytorchs(name):
    """Its first update is rate * h / (h + epsilon) with h = sqrt(1 - beta_2) g: half at epsilon."""
    weight = keras.Variable(np.zeros(1))
    settings = FramewiseTraining(optimizer=name, learning_rate=1.0)
    make_optimizer(settings, 10, "float32", [weight]).apply(
        [tf.constant([1e-8 / np.sqrt(0.001)])], [weight]
    )
    np.testing.assert_allclose(weight, [-0.5], rtol=1e-3)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weight_decay_leaves_biases_alone(name):
    kernel, bias = keras.Variable(np.ones((2, 2))), keras.Variable(np.ones(2))
    settings = FramewiseTraining(optimizer=name, learning_rate=0.1, weight_decay=0.5)
    optimizer = make_optimizer(settings, 10, "float32", [kernel, bias])
    optimizer.apply([tf.zeros((2, 2)), tf.zeros(2)], [kernel, bias])
    np.testing.assert_allclose(kernel, np.full((2, 2), 0.95))
    np.testing.assert_allclose(bias, np.ones(2))


# --- a small run ---------------------------------------------------------------------------------


def make_trainer(weighting: str = "uncertainty") -> FramewiseTrainer:
    x = keras.Input((4, 4, 3), name="images")
    h = keras.layers.Flatten()(x)
    start = keras.initializers.GlorotUniform
    outputs = {
        "valence_arousal": keras.layers.Dense(2, kernel_initializer=start(1))(h),
        "expression_logits": keras.layers.Dense(8, kernel_initializer=start(2))(h),
    }
    losses = FramewiseLoss(tasks=("va", "expression"), weighting=weighting, va_weight=3.0)
    trainer = FramewiseTrainer(keras.Model(x, outputs), losses, {})
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


def run(folder: Path, steps: int, seen: list) -> FramewiseTrainer:
    trainer = make_trainer()

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
    seen: list = []
    whole = run(tmp_path / "whole", 12, seen)
    assert seen == [(0, 0), (4, 1), (8, 2)]
    run(tmp_path / "parts", 4, [])
    parts = run(tmp_path / "parts", 12, seen := [])
    assert seen == [(4, 1), (8, 2)]
    ours = [*whole.trained_variables, *whole.optimizer.variables]
    theirs = [*parts.trained_variables, *parts.optimizer.variables]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(whole.uncertainty.log_variances.numpy()).min() > 0.01, "they were learned"


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
