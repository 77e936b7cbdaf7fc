"""The attention GRU as a Keras layer: its weights, shapes, types and settings (Section IV-B)."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.layers import AttentionGRU, AttentionGRUCell
from tests.models.small_recurrence import numbers


def test_weights_start_as_in_tensorflow_1():
    layer = AttentionGRU((40, 30), 8, seed=5)
    layer.build((None, None, 50))
    for name, variable in layer.tf1_names().items():
        value, shape = variable.numpy(), variable.shape
        if name.endswith("bias"):
            assert (value == (1.0 if "gates" in name else 0.0)).all(), name
            continue
        limit = np.sqrt(6 / (shape[0] + shape[-1]))  # Glorot uniform; a vector counts twice
        assert 0.9 * limit < np.abs(value).max() <= limit, name
        assert value.std() == pytest.approx(limit / np.sqrt(3), rel=0.25), name
    values = [v.numpy().ravel()[:30] for n, v in layer.tf1_names().items() if "bias" not in n]
    assert len({value.tobytes() for value in values}) == len(values)  # no weight repeats another


def test_parameters_of_the_paper():
    layer = AttentionGRU()
    assert layer.compute_output_shape((10, 80, 4096)) == (10, 80, 128)
    layer.build((10, 80, 4096))
    shapes = {name: tuple(v.shape) for name, v in layer.tf1_names().items()}
    assert shapes["kernel"] == (4096 + 128, 4096) and shapes["bias"] == (4096,)
    projection = (4096 + 128) * 4096 + 4096
    gru = [(4096 + 128) * 384 + 384, (128 + 128) * 384 + 384]
    attention = 128 * 128 + 128 + (256 * 128 + 128)
    assert layer.count_params() == projection + sum(gru) + attention + (256 * 128 + 128)


def test_it_is_not_the_gru_of_keras():
    """With the same weights, Keras' default resets after the product: another network."""
    cell = AttentionGRUCell((6,), 4, seed=1, dtype="float64")
    cell.build((None, 7))
    inputs, state = numbers(2, 7, dtype="float64"), cell.initial_state(2)
    state = state._replace(hidden=(numbers(2, 6, dtype="float64", seed=1),))
    _, after, _ = cell.after_projection(tf.constant(inputs), state)
    gates, candidate = cell.gates_kernel_0.numpy(), cell.candidate_kernel_0.numpy()
    order = np.r_[6:12, 0:6]  # Keras: update gate first
    kernel = np.concatenate([gates[:, order], candidate], 1)
    results = {}
    for reset_after in (False, True):
        gru = keras.layers.GRUCell(6, reset_after=reset_after, dtype="float64")
        gru.build((None, 7))
        bias = np.r_[np.ones(12), np.zeros(6)]
        bias = np.stack([bias, np.zeros(18)]) if reset_after else bias
        gru.set_weights([kernel[:7], kernel[7:], bias])
        results[reset_after] = gru(inputs, [state.hidden[0]])[0]
    np.testing.assert_allclose(results[False], after.hidden[0], rtol=0, atol=1e-12)
    assert np.abs(results[True] - after.hidden[0]).max() > 1e-2
    assert keras.layers.GRU(6).reset_after  # the default that this layer must not have


def test_one_checkpoint_fits_both_implementations(tmp_path):
    inputs = numbers(2, 9, 8)
    models = {}
    for seed, implementation in enumerate(("fused", "cell")):
        entry = keras.Input((9, 8))
        layer = AttentionGRU((5, 6), 4, implementation=implementation, seed=seed)
        models[implementation] = keras.Model(entry, layer(entry))
    fused, cell = models["fused"], models["cell"]
    assert np.abs(fused(inputs) - cell(inputs)).max() > 1e-2
    path = tf.train.Checkpoint(model=fused).write(str(tmp_path / "weights"))
    assert len(tf.train.list_variables(path)) == 1 + len(fused.weights)  # 1: the object graph
    tf.train.Checkpoint(model=cell).read(path).assert_consumed()
    np.testing.assert_allclose(cell(inputs), fused(inputs), rtol=0, atol=1e-5)
    cell.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored(inputs), cell(inputs))


def test_fixed_inputs_cost_no_gradient():
    """Where features are cached, the product that would give the inputs' gradient is not made."""
    layer = AttentionGRU((5, 6), 4, seed=1)
    layer.build((None, None, 64))

    def products(watch: bool) -> int:
        @tf.function
        def compute(x):
            with tf.GradientTape() as tape:
                if watch:
                    tape.watch(x)
                loss = tf.reduce_sum(layer(x))
            variables = [v.value for v in layer.trainable_variables]
            return tape.gradient(loss, [*variables, x] if watch else variables)

        graph = compute.get_concrete_function(tf.TensorSpec([2, 3, 64])).graph
        operations = [op for op in graph.get_operations() if op.type == "MatMul"]
        return sum(op.outputs[0].shape.as_list() == [6, 64] for op in operations)

    assert products(watch=True) == 1
    assert products(watch=False) == 0


@pytest.mark.parametrize("settings", [{"units": ()}, {"units": (0,)}, {"attention_length": 0}])
def test_sizes_must_be_positive(settings):
    with pytest.raises(ConfigError, match="positive integers"):
        AttentionGRU(**settings)


def test_unknown_implementation():
    with pytest.raises(ConfigError, match="one of 'cell', 'fused'. Received: 'fast'"):
        AttentionGRU(implementation="fast")
