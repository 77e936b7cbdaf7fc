"""Adam by one kernel against the update's equations in NumPy, and who uses it."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config import GanConfig
from kaffect.config.framewise import FramewiseTraining
from kaffect.config.recognition import RecognitionTraining
from kaffect.labels import AFF_WILD
from kaffect.training.adam import FusedAdam, FusedAdamW, make_adam
from kaffect.training.gan import GanTrainer
from kaffect.training.multitask import adam
from kaffect.training.schedules import make_optimizer

GRADIENTS = np.random.default_rng(0).normal(size=(12, 3, 5)) * 10.0 ** np.arange(-4, 1)
START = np.random.default_rng(1).normal(size=(3, 5))


def by_hand(rate: float, beta_1: float, beta_2: float, epsilon: float, decay: float) -> np.ndarray:
    """Kingma and Ba, the form of their Section 2's end, in float64; decay as Loshchilov's."""
    weight, m, v = START.copy(), np.zeros_like(START), np.zeros_like(START)
    for t, gradient in enumerate(GRADIENTS, start=1):
        weight -= rate * decay * weight
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        alpha = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        weight -= alpha * m / (np.sqrt(v) + epsilon)
    return weight


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("decay", "beta_1", "epsilon"), [(0.0, 0.9, 1e-8), (0.1, 0.5, 1e-3)])
def test_the_update_is_adams(compiled: bool, decay: float, beta_1: float, epsilon: float) -> None:
    settings: dict[str, Any] = {"beta_1": beta_1, "epsilon": epsilon}
    settings |= {"weight_decay": decay} if decay else {}
    found = []
    for policy in ("mixed_bfloat16", "float32"):
        optimizer = make_adam(policy, 0.01, **settings)
        variable = keras.Variable(START, dtype="float32", name="weight")
        optimizer.build([variable])

        def update(gradient: tf.Tensor) -> None:
            optimizer.apply([gradient], [variable])

        step = tf.function(update) if compiled else update
        for gradient in GRADIENTS:
            step(tf.constant(gradient, tf.float32))
        assert int(optimizer.iterations) == len(GRADIENTS)
        found.append((variable.numpy(), [(v.path, v.shape) for v in optimizer.variables]))
    expected = by_hand(0.01, beta_1, 0.999, epsilon, decay)
    moved = np.abs(expected - START).max()
    for weight, _ in found:
        np.testing.assert_allclose(weight, expected, rtol=0, atol=3e-5 * moved)
    assert found[0][1] == found[1][1], "checkpoints of both have the same variables"


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_float32_keeps_keras_operations(policy: str) -> None:
    """Published numbers come from them, so not one bit may change."""
    made = [adam(RecognitionTraining(), policy)]
    if policy != "mixed_float16":
        gan = GanTrainer(GanConfig().changed({"model.width": 1 / 64}), AFF_WILD, policy)
        made.append(gan.discriminator_optimizer)
    for name in ("adam", "adamw"):
        made.append(make_optimizer(FramewiseTraining(optimizer=name), 10, policy, []))
    kinds = [type(getattr(one, "inner_optimizer", one)) for one in made]
    keras_own = keras.optimizers.Adam, keras.optimizers.AdamW
    plain, decayed = (FusedAdam, FusedAdamW) if policy == "mixed_bfloat16" else keras_own
    assert kinds == [*[plain] * (len(made) - 1), decayed]


def test_gradients_are_clipped_before() -> None:
    optimizer = make_adam("mixed_bfloat16", 1.0, epsilon=1.0, global_clipnorm=1.0)
    variable = keras.Variable(np.zeros(2), dtype="float32")
    optimizer.build([variable])
    optimizer.apply([tf.constant([30.0, 40.0])], [variable])
    # The first step: m = g / 10, v = g^2 / 1000, alpha = sqrt(0.001) / 0.1, for g = 0.6 and 0.8.
    expected = [-np.sqrt(0.001) * g / (np.sqrt(0.001) * g + 1.0) for g in (0.6, 0.8)]
    np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("distributed", [False, True])
def test_one_kernel_updates_a_variable(distributed: bool) -> None:
    """But not within a strategy, whose variables are several."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0"]) if distributed else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        optimizer = make_adam("mixed_bfloat16", 0.5, epsilon=1e-8)
        variable = keras.Variable(np.zeros(2), dtype="float32")
        optimizer.build([variable])

    @tf.function
    def update() -> None:
        optimizer.apply([tf.constant([3.0, -4.0])], [variable])

    @tf.function
    def everywhere() -> None:
        strategy.run(update) if strategy else update()

    function = everywhere if strategy else update
    graph = str(function.get_concrete_function().graph.as_graph_def())
    assert ("ResourceApplyAdam" in graph) is not distributed
    function()
    np.testing.assert_allclose(variable.numpy(), [-0.5, 0.5], rtol=1e-4)
