"""The attention GRU against TensorFlow 1's own numbers (Section IV-B)."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ArtifactError, ConfigError
from kaffect.layers import AttentionGRU, AttentionGRUCell

GOLDEN = Path(__file__).parents[1] / "golden" / "attention"
PREFIX = "rnn/attention_cell_wrapper/"
FILES = {  # units, attention length
    "attention_gru_1layer": ((5,), 4),
    "attention_gru_2layer": ((6, 6), 4),
    "attention_gru_paper_length": ((16, 16), 32),
}


def golden(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    with np.load(GOLDEN / f"{name}.npz") as data:
        arrays = {key: data[key] for key in data.files}
    variables = {k.removeprefix("var/"): v for k, v in arrays.items() if k.startswith("var/")}
    return arrays, variables


def loaded(name: str, implementation: str = "fused", **settings) -> AttentionGRU:
    units, length = FILES[name]
    settings = {"dtype": "float64", **settings}
    layer = AttentionGRU(units, length, implementation=implementation, **settings)
    layer.load_tf1_variables(golden(name)[1])
    return layer


def small(implementation: str = "fused", **settings) -> AttentionGRU:
    return AttentionGRU((5, 6), 4, implementation=implementation, seed=3, **settings)


def exact_outputs(layer: AttentionGRU, inputs: np.ndarray) -> np.ndarray:
    """What the frame by frame form of `layer` gives in float64."""
    config = {**layer.get_config(), "implementation": "cell", "dtype": "float64"}
    copy = AttentionGRU.from_config(config)
    copy.build(inputs.shape)
    copy.set_weights(layer.get_weights())
    return copy(inputs.astype("float64")).numpy()


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def outputs_and_gradients(layer, inputs, cotangent) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Outputs, and the gradient of sum(outputs * cotangent) by TensorFlow 1 name."""
    names = layer.tf1_names()

    @tf.function
    def compute(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            loss = tf.reduce_sum(outputs * tf.cast(cotangent, outputs.dtype))
        return outputs, tape.gradient(loss, [x, *(v.value for v in names.values())])

    outputs, gradients = compute(tf.constant(inputs))
    values = [gradient.numpy() for gradient in gradients]
    return outputs.numpy(), dict(zip(["inputs", *names], values))


@pytest.mark.parametrize("implementation", ["fused", "cell"])
@pytest.mark.parametrize("name", FILES)
def test_outputs_and_every_gradient_are_those_of_tensorflow_1(name, implementation):
    data, variables = golden(name)
    layer = loaded(name, implementation)
    outputs, gradients = outputs_and_gradients(layer, data["inputs"], data["cotangent"])
    np.testing.assert_allclose(outputs, data["outputs"], rtol=0, atol=1e-9)
    expected = {"inputs": data["grad_inputs"]}
    for key in variables:
        value = data[f"grad/{key}"]
        expected[key.removeprefix(PREFIX)] = value[0, 0] if value.ndim == 4 else value
    assert gradients.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(gradients[key], value, rtol=0, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("masked", [False, True])
def test_both_implementations_agree(masked):
    inputs, cotangent = numbers(3, 9, 8, dtype="float64"), numbers(3, 9, 6, dtype="float64", seed=1)
    fused = small("fused", dtype="float64", mask_zero_slots=masked)
    cell = small("cell", dtype="float64", mask_zero_slots=masked)
    fused.build(inputs.shape)
    cell.build(inputs.shape)
    one, one_gradients = outputs_and_gradients(fused, inputs, cotangent)
    two, two_gradients = outputs_and_gradients(cell, inputs, cotangent)
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-10)
    for key, value in one_gradients.items():
        np.testing.assert_allclose(value, two_gradients[key], rtol=0, atol=1e-10, err_msg=key)


def test_xla_compiles_the_same_numbers():
    data, _ = golden("attention_gru_2layer")
    layer = loaded("attention_gru_2layer", jit_compile=True)
    outputs, gradients = outputs_and_gradients(layer, data["inputs"], data["cotangent"])
    np.testing.assert_allclose(outputs, data["outputs"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(gradients["inputs"], data["grad_inputs"], rtol=0, atol=1e-9)


def test_xla_is_for_training_only():
    """An export of the inference graph must not need XLA where it is served."""
    layer = loaded("attention_gru_2layer", jit_compile=True)

    def compiled(training: bool) -> bool:
        @tf.function
        def compute(inputs):
            return layer(inputs, training=training)

        graph = compute.get_concrete_function(tf.TensorSpec([2, 11, 7], "float64")).graph
        return "_XlaMustCompile" in str(graph.as_graph_def().node)

    assert compiled(training=True) and not compiled(training=False)


def test_frames_one_at_a_time_give_the_whole_sequence():
    data, _ = golden("attention_gru_2layer")
    layer = loaded("attention_gru_2layer")
    state = layer.initial_state(2)
    outputs = []
    for frame in data["inputs"].transpose(1, 0, 2):
        output, state = layer.step(frame, state)
        outputs.append(output)
    np.testing.assert_allclose(np.stack(outputs, 1), data["outputs"], rtol=0, atol=1e-10)


def test_pieces_of_a_stream_give_the_whole_sequence_in_float32():
    layer = small()
    inputs = numbers(2, 12, 8)
    state, pieces = None, []
    for start, end in ((0, 1), (1, 6), (6, 12)):
        piece, state = layer.run(inputs[:, start:end], state)
        pieces.append(piece)
    np.testing.assert_allclose(np.concatenate(pieces, 1), layer(inputs), rtol=0, atol=1e-5)
    assert state.filled.numpy().tolist() == [4, 4]
    np.testing.assert_array_equal(state.window[:, -1], pieces[-1][:, -1])


def test_gradient_with_respect_to_the_state_before_a_piece():
    """The hand-written gradient against a central difference, for a state that is not zero."""
    layer = small(dtype="float64", mask_zero_slots=True)
    inputs = numbers(2, 5, 8, dtype="float64")
    _, state = layer.run(inputs[:, :3])
    direction = tf.nest.map_structure(lambda s: numbers(*s.shape, dtype="float64", seed=7), state)

    def loss(state):
        outputs, last = layer.run(inputs[:, 3:], state)
        return tf.reduce_sum(outputs**2) + sum(
            tf.reduce_sum(tf.sin(part)) for part in (*last.hidden, last.context, last.window)
        )

    def moved(step):
        parts = [s + step * d for s, d in zip(tf.nest.flatten(state), tf.nest.flatten(direction))]
        return tf.nest.pack_sequence_as(state, parts)._replace(filled=state.filled)

    with tf.GradientTape() as tape:
        tape.watch(state)
        value = loss(state)
    gradients = tape.gradient(value, [*state.hidden, state.context, state.window])
    parts = [*direction.hidden, direction.context, direction.window]
    slope = sum(float(tf.reduce_sum(g * d)) for g, d in zip(gradients, parts))
    difference = float(loss(moved(1e-5)) - loss(moved(-1e-5))) / 2e-5
    assert slope == pytest.approx(difference, rel=1e-7)


def numpy_reference(layer: AttentionGRU, inputs: np.ndarray, masked: bool) -> tuple:
    """The equations once more, for one sequence and in plain NumPy: outputs, attention weights."""
    w = {name: variable.numpy() for name, variable in layer.tf1_names().items()}
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    h = [np.zeros(n) for n in layer.units]
    context, past = np.zeros(layer.units[-1]), []
    outputs, attentions = [], []
    for t, x in enumerate(inputs):
        below = np.r_[x, context] @ w["kernel"] + w["bias"]
        for k, n in enumerate(layer.units):
            g = f"multi_rnn_cell/cell_{k}/gru_cell/"
            both = np.r_[below, h[k]] @ w[g + "gates/kernel"] + w[g + "gates/bias"]
            r, u = sigmoid(both[:n]), sigmoid(both[n:])
            c = np.tanh(
                np.r_[below, r * h[k]] @ w[g + "candidate/kernel"] + w[g + "candidate/bias"]
            )
            below = h[k] = u * h[k] + (1 - u) * c
        query = np.concatenate(h) @ w["attention/kernel"] + w["attention/bias"]
        length = layer.attention_length
        empty = max(length - t, 0)
        window = np.array([np.zeros(layer.units[-1])] * empty + past[-length:])
        scores = np.tanh(window @ w["attention/attn_w"] + query) @ w["attention/attn_v"]
        weights = np.exp(scores)
        if masked:
            weights[:empty] = 0
        weights /= weights.sum() or 1
        context = weights @ window
        out = np.r_[below, context] @ w["attn_output_projection/kernel"]
        past.append(out + w["attn_output_projection/bias"])
        outputs.append(past[-1])
        attentions.append(weights)
    return np.array(outputs), np.array(attentions)


@pytest.mark.parametrize("implementation", ["fused", "cell"])
@pytest.mark.parametrize("masked", [False, True])
def test_zero_slots_are_counted_or_masked(masked, implementation):
    layer = small(implementation, dtype="float64", mask_zero_slots=masked)
    inputs = numbers(2, 7, 8, dtype="float64")
    outputs, attention = layer(inputs), layer.attention_weights(inputs)
    for i in range(2):
        expected, weights = numpy_reference(layer, inputs[i], masked)
        np.testing.assert_allclose(outputs[i], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(attention[i], weights, rtol=0, atol=1e-12)
    first = attention[:, 0].numpy()
    np.testing.assert_allclose(first.sum(-1), 0.0 if masked else 1.0, atol=1e-12)


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


def test_a_seed_decides_the_weights():
    first, again, other = (AttentionGRU((5, 6), 4, seed=s) for s in (1, 1, 2))
    for layer in (first, again, other):
        layer.build((None, None, 7))
    for one, two, three in zip(first.weights, again.weights, other.weights):
        np.testing.assert_array_equal(one, two)
        if "bias" not in one.name:
            assert not np.array_equal(one, three)


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


@pytest.mark.parametrize("implementation", ["fused", "cell"])
def test_unknown_batch_and_time_in_a_functional_model(implementation):
    inputs = keras.Input((None, 8))
    layer = small(implementation)
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, 6)
    unknown = tf.function(model, input_signature=[tf.TensorSpec([None, None, 8], tf.float32)])
    for batch, time in ((1, 1), (3, 5), (2, 9)):
        frames = numbers(batch, time, 8)
        expected = exact_outputs(layer, frames)
        np.testing.assert_allclose(unknown(frames), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("implementation", ["fused", "cell"])
def test_gradients_with_unknown_batch_and_time(implementation):
    layer = small(implementation, dtype="float64")
    inputs, cotangent = numbers(2, 6, 8, dtype="float64"), numbers(2, 6, 6, dtype="float64", seed=1)
    layer.build(inputs.shape)
    _, expected = outputs_and_gradients(layer, inputs, cotangent)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None], tf.float64)] * 2)
    def compute(x, weight):
        x = tf.ensure_shape(x, [None, None, 8])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) * weight)
        return tape.gradient(loss, [v.value for v in layer.tf1_names().values()])

    for value, name in zip(compute(inputs, cotangent), layer.tf1_names()):
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("implementation", ["fused", "cell"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy, implementation):
    layer = small(implementation, dtype=policy)
    inputs = numbers(2, 9, 8)
    outputs = layer(inputs)
    assert outputs.dtype == policy.removeprefix("mixed_")
    assert {v.dtype for v in layer.trainable_variables} == {"float32"}
    assert layer.attention_weights(inputs).dtype == "float32"
    exact = exact_outputs(layer, inputs)
    np.testing.assert_allclose(tf.cast(outputs, tf.float64), exact, rtol=0, atol=0.01)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(layer(inputs), tf.float32) ** 2)
    for gradient in tape.gradient(loss, [v.value for v in layer.trainable_variables]):
        assert gradient.dtype == tf.float32 and np.isfinite(gradient).all()


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


def test_config_round_trip():
    layer = AttentionGRU((5, 6), 7, "cell", True, True, seed=9, dtype="float64", name="memory")
    copy = AttentionGRU.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    for name in ("units", "attention_length", "implementation", "mask_zero_slots", "jit_compile"):
        assert getattr(copy, name) == getattr(layer, name)
    assert copy.compute_dtype == "float64" and copy.units == (5, 6)


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


def test_names_of_variables_with_and_without_the_scope():
    data, variables = golden("attention_gru_2layer")
    bare = {name.removeprefix(PREFIX) + ":0": value for name, value in variables.items()}
    checkpoint = {**variables, "conv_1/weights": np.zeros((3, 3, 3, 64))}
    for mapping in (bare, checkpoint):
        layer = AttentionGRU((6, 6), 4, dtype="float64")
        layer.load_tf1_variables(mapping)
        np.testing.assert_allclose(layer(data["inputs"]), data["outputs"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop(PREFIX + "bias"), r"missing \['bias'\]"),
        (lambda v: v.update({PREFIX + "bais": np.zeros(7)}), r"unknown \['bais'\]"),
        (lambda v: v.update({PREFIX + "bias": np.zeros(8)}), r"bias: wrong shape.*\(7,\).*\(8,\)"),
        (lambda v: v.clear(), "missing"),
    ],
)
def test_wrong_variables_are_refused_and_change_nothing(change, message):
    _, variables = golden("attention_gru_2layer")
    layer = loaded("attention_gru_2layer")
    layer.cell.score.assign(np.full(6, 0.25))
    change(variables)
    with pytest.raises(ArtifactError, match=message):
        layer.load_tf1_variables(variables)
    np.testing.assert_array_equal(layer.cell.score, 0.25)
    with pytest.raises(ArtifactError):
        AttentionGRU((6, 6, 6), 4).load_tf1_variables(golden("attention_gru_2layer")[1])


@pytest.mark.parametrize("settings", [{"units": ()}, {"units": (0,)}, {"attention_length": 0}])
def test_sizes_must_be_positive(settings):
    with pytest.raises(ConfigError, match="positive integers"):
        AttentionGRU(**settings)


def test_unknown_implementation():
    with pytest.raises(ConfigError, match="one of 'cell', 'fused'. Received: 'fast'"):
        AttentionGRU(implementation="fast")
