"""The attention GRU against TensorFlow 1's own numbers (Section IV-B)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ArtifactError
from kaffect.layers import AttentionGRU
from tests.models.small_recurrence import numbers, small

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
