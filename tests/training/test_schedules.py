"""Optimisers and learning rates against PyTorch's definitions and by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config.framewise import FramewiseTraining
from kaffect.config.recognition import Pretraining, RecognitionTraining
from kaffect.training.pretraining import frame_trainer
from kaffect.training.schedules import make_optimizer, plateau_rate, warm_cosine


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
