"""The average of the generator's weights against the recurrence written out in NumPy."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from kaffect.training.ema import ExponentialMovingAverage


def _model(seed: int) -> keras.Model:
    start = keras.initializers.RandomNormal(seed=seed)
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, kernel_initializer=start, name="dense")]
    )


def test_average_follows_the_recurrence() -> None:
    model, decay = _model(0), 0.5
    average = ExponentialMovingAverage(model, decay)
    update = tf.function(average.update)
    wanted = model.get_weights()
    generator = np.random.default_rng(0)
    for n in range(12):
        weights = [generator.normal(size=w.shape) for w in wanted]
        model.set_weights(weights)
        update()
        d = min(decay, (1 + n) / (10 + n))
        wanted = [d * old + (1 - d) * new for old, new in zip(wanted, weights)]
    assert min(decay, 12 / 21) == decay, "the run must be long enough for the full decay"
    other = _model(1)
    average.copy_to(other)
    for a, b in zip(other.get_weights(), wanted):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    # The model itself keeps its own weights.
    for a, b in zip(model.get_weights(), weights):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert len(average.variables) == 3


def test_a_network_can_hold_the_averages() -> None:
    model, into = _model(0), _model(1)
    average = ExponentialMovingAverage(model, 0.5, into)
    np.testing.assert_array_equal(into.get_weights()[0], model.get_weights()[0])
    first = model.get_weights()[0]
    model.set_weights([first + 1.0, *model.get_weights()[1:]])
    average.update()
    np.testing.assert_allclose(into.get_weights()[0], first + 0.9, rtol=1e-6)
    assert len(average.variables) == 1, "its own alone: the averages are the network's"
    average.restart()
    np.testing.assert_array_equal(into.get_weights()[0], first + 1.0)
    assert int(average.count.value) == 0


def test_initial_weights_are_soon_forgotten() -> None:
    model = _model(0)
    average = ExponentialMovingAverage(model, 0.999)
    model.set_weights([w * 0 for w in model.get_weights()])
    for _ in range(60):
        average.update()
    start = np.abs(_model(0).get_weights()[0]).max()
    assert np.abs(average.averages[0].numpy()).max() < 1e-3 * start
