"""Eq. 1-3 by hand: signs, targets, the annealed weight, and semi-supervised batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.losses import (
    Heads,
    ccc_loss,
    class_target,
    fake_loss,
    generator_loss,
    huber,
    real_loss,
    reconstruction_weight,
)
from tests import three_tasks

IMAGES = np.zeros((2, 4, 4, 3), np.float32)


def cross_entropy(target: float, logit: np.ndarray) -> np.ndarray:
    probability = 1 / (1 + np.exp(-np.asarray(logit, np.float64)))
    return -(target * np.log(probability) + (1 - target) * np.log(1 - probability))


def labels(count: int, seed: int = 0, share: float = 0.5):
    rng = np.random.default_rng(seed)
    found = three_tasks.labels(rng, (count,), share=share, dtype=np.float32)
    return {name: value for name, value in found.items() if not name.startswith("expression")}


def test_generator_minimises_the_log_of_the_fake_probability() -> None:
    # Logit ln 3 is a fake probability of 3/4, logit 0 of 1/2.
    found = generator_loss(np.array([math.log(3), 0.0]), IMAGES, IMAGES, 1.0)
    wanted = (math.log(3 / 4) + math.log(1 / 2)) / 2
    np.testing.assert_allclose(found["loss"], wanted, rtol=1e-6)
    surely_real = generator_loss(np.array([-5.0, -5.0]), IMAGES, IMAGES, 1.0)
    assert surely_real["loss"] < found["loss"]  # fooling the discriminator is rewarded
    found = generator_loss(np.array([math.log(3)]), IMAGES, IMAGES, 1.0, non_saturating=True)
    np.testing.assert_allclose(found["loss"], math.log(4), rtol=1e-6)  # -ln(1 - 3/4)


def test_huber_by_hand() -> None:
    real = np.array([[0.5, 2.0, -3.0, 0.0]])
    fake = np.zeros((1, 4))
    # 0.5 * 0.25, then |r| - 0.5 for 2 and 3, then 0.
    np.testing.assert_allclose(huber(real, fake), (0.125 + 1.5 + 2.5 + 0) / 4, rtol=1e-12)
    np.testing.assert_allclose(huber(real, fake), tf.keras.losses.Huber(1.0)(real, fake), rtol=1e-6)


def test_reconstruction_is_weighted() -> None:
    real = IMAGES + 0.5
    found = generator_loss(np.zeros(2), real, IMAGES, 0.25)
    np.testing.assert_allclose(found["loss"], math.log(0.5) + 0.25 * 0.125, rtol=1e-6)
    np.testing.assert_allclose(found["reconstruction"], 0.125, rtol=1e-6)


@pytest.mark.parametrize(
    "step, weight", [(0, 1.0), (1, 1499 / 1500), (750, 0.5), (1500, 0.0), (10**6, 0.0)]
)
def test_annealed_weight(step: int, weight: float) -> None:
    np.testing.assert_allclose(reconstruction_weight(step), weight, rtol=1e-6)
    np.testing.assert_allclose(
        reconstruction_weight(tf.constant(step, tf.int64), start=10.0), 10 * weight, rtol=1e-6
    )


def test_fake_targets() -> None:
    joint, va, units = Heads(), Heads(action_units=0), Heads(valence_arousal=False)
    assert [heads.outputs for heads in (joint, va, units)] == [11, 3, 9]
    assert {class_target(heads) for heads in (joint, va, units)} == {0.01}
    found = [class_target(heads, "per_class") for heads in (joint, va, units)]
    np.testing.assert_allclose(found, [0.01, 0.05, 0.0125])
    with pytest.raises(ConfigError, match="'paper', 'per_class'.*'none'"):
        class_target(joint, "none")


def test_columns_of_the_logits() -> None:
    logits = np.arange(11.0)[np.newaxis]
    parts = Heads().split(logits)
    np.testing.assert_array_equal(parts["valence_arousal"], [[0, 1]])
    np.testing.assert_array_equal(parts["action_units"], [np.arange(2, 10)])
    np.testing.assert_array_equal(parts["fake"], [10])
    units_only = Heads(valence_arousal=False).split(logits[:, :9])
    np.testing.assert_array_equal(units_only["action_units"], [np.arange(8)])
    assert "valence_arousal" not in units_only
    with pytest.raises(ConfigError, match="Expected 11. Received: 9"):
        Heads().split(logits[:, :9])


@pytest.mark.parametrize("va_loss", ["mse", "ccc"])
def test_real_loss_is_the_sum_of_eq_3(va_loss: str) -> None:
    logits = np.random.default_rng(1).normal(0, 1, (64, 11))
    truth = labels(64)
    found = real_loss(logits, truth, va_loss=va_loss)
    va, units = truth["valence_arousal_mask"], truth["action_units_mask"]
    if va_loss == "ccc":
        regression = ccc_loss(truth["valence_arousal"], logits[:, :2], va).numpy()
    else:
        regression = np.mean((truth["valence_arousal"][va] - logits[va, :2]) ** 2)
    classification = cross_entropy(truth["action_units"][units], logits[units, 2:10]).mean()
    fake = cross_entropy(0, logits[:, 10]).mean()  # of every image, labelled or not
    np.testing.assert_allclose(found["loss"], regression + classification + fake, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "width", "wanted"), [("action_units", 12, 8), ("valence_arousal", 3, 2)]
)
def test_labels_that_do_not_fit_the_heads(name: str, width: int, wanted: int) -> None:
    """Expected and received are named, from Python and while a graph is built."""
    logits, truth = tf.zeros((16, 11)), labels(16)
    truth[name] = np.zeros((16, width), np.float32)
    message = f"{name}.*Expected {wanted}. Received: {width}"
    for loss in (real_loss, tf.function(real_loss)):
        with pytest.raises(ConfigError, match=message):
            loss(logits, truth)
    other = Heads(valence_arousal=name == "action_units", action_units=8 * (wanted == 2))
    real_loss(logits[:, : other.outputs], truth, other)  # labels without a head are not read


def test_images_without_labels_train_the_fake_output_only() -> None:
    logits = tf.Variable(np.random.default_rng(2).normal(0, 1, (16, 11)))
    truth = labels(16, share=0.0)
    truth["valence_arousal"][:] = np.nan
    truth["action_units"][:] = np.nan
    with tf.GradientTape() as tape:
        found = real_loss(logits, truth)
    gradient = tape.gradient(found["loss"], logits).numpy()
    assert found["valence_arousal"] == 0.0 and found["action_units"] == 0.0
    assert not gradient[:, :10].any() and gradient[:, 10].all()


def test_fake_loss_targets() -> None:
    logits = np.random.default_rng(3).normal(0, 1, (64, 11))
    found = fake_loss(logits)
    wanted = np.mean((logits[:, :2] - 0.01) ** 2)
    wanted += cross_entropy(0.01, logits[:, 2:10]).mean() + cross_entropy(0.9, logits[:, 10]).mean()
    np.testing.assert_allclose(found["loss"], wanted, rtol=1e-6)
    va_only = fake_loss(logits[:, :3], Heads(action_units=0), smoothing="per_class")
    wanted = np.mean((logits[:, :2] - 0.05) ** 2)
    np.testing.assert_allclose(va_only["valence_arousal"], wanted, rtol=1e-6)


def test_ccc_towards_the_constant_fake_target_trains_nothing() -> None:
    logits = tf.Variable(np.random.default_rng(4).normal(0, 1, (64, 11)).astype(np.float32))
    with tf.GradientTape() as tape:
        found = fake_loss(logits, va_loss="ccc")
    gradient = tape.gradient(found["loss"], logits).numpy()
    assert found["valence_arousal"] == 1.0
    assert not gradient[:, :2].any() and gradient[:, 2:].all()


def test_unknown_va_loss() -> None:
    with pytest.raises(ConfigError, match="'ccc', 'mse'.*'mae'"):
        fake_loss(np.zeros((2, 11)), va_loss="mae")
