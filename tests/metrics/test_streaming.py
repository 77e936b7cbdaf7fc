"""The Keras metric: whatever the batches are, the result is the CCC of the whole set."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kaffect.losses import ccc_loss
from kaffect.metrics import ConcordanceCorrelation, ccc


def frames(seed: int, count: int, offset: float = 0.0, scale: float = 1.0):
    generator = np.random.default_rng(seed)
    y_true = generator.uniform(-1, 1, (count, 2))
    y_pred = 0.6 * y_true + generator.normal(0.1, 0.3, (count, 2))
    return y_true * scale + offset, y_pred * scale + offset


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 40), min_size=1, max_size=8),
    st.floats(-1e4, 1e4),
    st.floats(1e-2, 1e2),
)
def test_result_does_not_depend_on_the_batches(seed, sizes, offset, scale) -> None:
    y_true, y_pred = frames(seed, sum(sizes) + 2, offset, scale)
    metric = ConcordanceCorrelation(dtype="float64")
    cuts = np.cumsum([*sizes, 2])
    for start, stop in zip([0, *cuts[:-1]], cuts, strict=True):
        metric.update_state(y_true[start:stop], y_pred[start:stop])
    np.testing.assert_allclose(metric.per_dimension(), ccc(y_true, y_pred), atol=1e-9)
    np.testing.assert_allclose(metric.result(), np.mean(ccc(y_true, y_pred)), atol=1e-9)


def test_whole_set_and_not_a_mean_of_batches() -> None:
    y_true, y_pred = frames(0, 100)
    order = np.argsort(y_true[:, 0])  # sorted: each batch has little variance
    metric = ConcordanceCorrelation()
    for part in np.split(order, 10):
        metric.update_state(y_true[part], y_pred[part])
    np.testing.assert_allclose(metric.result(), np.mean(ccc(y_true, y_pred)), atol=1e-6)
    batches = np.mean([ccc(y_true[part], y_pred[part]) for part in np.split(order, 10)])
    assert abs(batches - float(metric.result())) > 0.1


def test_loss_and_metric_agree_on_one_batch() -> None:
    y_true, y_pred = frames(1, 800)
    mask = np.random.default_rng(1).random(800) < 0.7
    metric = ConcordanceCorrelation(dimensions=2)
    metric.update_state(y_true.reshape(10, 80, 2), y_pred.reshape(10, 80, 2), mask.reshape(10, 80))
    np.testing.assert_allclose(metric.result(), 1 - ccc_loss(y_true, y_pred, mask), atol=1e-6)


def test_masked_frames_are_ignored_whatever_they_contain() -> None:
    y_true, y_pred = frames(2, 60)
    mask = np.random.default_rng(2).random(60) < 0.5
    wanted = np.mean(ccc(y_true[mask], y_pred[mask]))
    y_true[~mask], y_pred[~mask] = np.nan, np.nan
    metric = ConcordanceCorrelation()
    for part in np.split(np.arange(60), 6):
        metric.update_state(y_true[part], y_pred[part], sample_weight=mask[part])
    metric.update_state(y_true[:5], y_pred[:5], sample_weight=np.zeros(5))
    np.testing.assert_allclose(metric.result(), wanted, atol=1e-6)


def test_weights_count_as_repetitions() -> None:
    y_true, y_pred = frames(3, 30)
    repeats = np.random.default_rng(3).integers(0, 4, 30)
    metric = ConcordanceCorrelation()
    for part in np.split(np.arange(30), 3):
        metric.update_state(y_true[part], y_pred[part], sample_weight=repeats[part])
    wanted = ccc(np.repeat(y_true, repeats, axis=0), np.repeat(y_pred, repeats, axis=0))
    np.testing.assert_allclose(metric.per_dimension(), wanted, atol=1e-6)


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 1e4])
def test_constants_count_as_zero(constant: float) -> None:
    y_true, _ = frames(4, 50)
    same = np.full((50, 2), constant, np.float32)
    for labels, predictions in ((y_true, same), (same, y_true), (same, same)):
        metric = ConcordanceCorrelation()
        for start in range(0, 50, 7):
            metric.update_state(labels[start : start + 7], predictions[start : start + 7])
        assert float(metric.result()) == 0.0


def test_before_the_first_frame_and_after_a_reset() -> None:
    metric = ConcordanceCorrelation()
    assert float(metric.result()) == 0.0
    y_true, y_pred = frames(5, 20)
    metric.update_state(100 + y_true, y_pred)
    metric.reset_state()
    assert float(metric.result()) == 0.0
    metric.update_state(y_true, y_pred)
    np.testing.assert_allclose(metric.result(), np.mean(ccc(y_true, y_pred)), atol=1e-6)


def test_one_dimension() -> None:
    y_true, y_pred = (x[:, 0] for x in frames(6, 40))
    metric = ConcordanceCorrelation()
    metric.update_state(y_true, y_pred)
    np.testing.assert_allclose(metric.result(), ccc(y_true, y_pred), atol=1e-6)


def test_nan_is_not_hidden() -> None:
    metric = ConcordanceCorrelation()
    metric.update_state([[0.0, 1.0], [1.0, 0.0]], [[np.nan, 1.0], [1.0, 0.0]])
    assert np.isnan(metric.result())


def test_compiled_and_saved() -> None:
    y_true, y_pred = frames(7, 40)
    metric = ConcordanceCorrelation(dimensions=2, name="va")
    update = tf.function(metric.update_state, reduce_retracing=True)
    update(tf.constant(y_true[:30]), tf.constant(y_pred[:30]))
    update(tf.constant(y_true[30:]), tf.constant(y_pred[30:]))
    np.testing.assert_allclose(metric.result(), np.mean(ccc(y_true, y_pred)), atol=1e-6)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert (copy.name, copy.dimensions) == ("va", 2)


def test_shapes_that_do_not_fit_are_refused() -> None:
    metric = ConcordanceCorrelation(dimensions=2)
    with pytest.raises(ValueError, match="one shape"):
        metric.update_state(np.zeros((4, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="Expected 2 columns. Received: 3"):
        metric.update_state(np.zeros((4, 3)), np.zeros((4, 3)))


def test_replicas_add_up_to_the_whole_set() -> None:
    """Two virtual CPUs, in a process of its own: devices are fixed before TensorFlow starts."""
    script = """
        import numpy as np, tensorflow as tf
        from kaffect.metrics import ConcordanceCorrelation, ccc
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        assert strategy.num_replicas_in_sync == 2
        generator = np.random.default_rng(8)
        y_true = generator.uniform(-1, 1, (60, 2)) + np.arange(60)[:, None] / 30
        y_pred = 0.5 * y_true + generator.normal(0, 0.2, (60, 2))
        data = tf.data.Dataset.from_tensor_slices((y_true, y_pred)).batch(20)
        with strategy.scope():
            metric = ConcordanceCorrelation(dimensions=2)
        step = tf.function(lambda a, b: strategy.run(metric.update_state, (a, b)))
        for true, pred in strategy.experimental_distribute_dataset(data):
            step(true, pred)
        print("difference", abs(float(metric.result()) - ccc(y_true, y_pred).mean()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[-1]) < 1e-6
