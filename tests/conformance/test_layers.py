"""What every layer must do: be written down and read again, in each precision, for any batch."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.checks import loaded_again, require_seeded
from tests.conformance.layers import CASES, LayerCase

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
# Of the largest output, against float64: a few roundings of the type.
TOLERANCES = {"float32": 1e-5, "mixed_bfloat16": 0.02, "mixed_float16": 0.003}
STEP = 1e-6


def built(case: LayerCase, policy: str = "float32", seed: int = 1) -> keras.layers.Layer:
    """The layer of `case` with weights that are no constants."""
    layer = case.build(seed, dtype=policy)
    case.call(layer, inputs(case, policy))
    rng = np.random.default_rng(7)
    for variable in layer.trainable_weights:
        variable.assign(variable.numpy() + 0.1 * rng.normal(size=variable.shape))
    return layer


def inputs(case: LayerCase, policy: str = "float32") -> list[tf.Tensor]:
    """Floating-point inputs in float32 (float64 in float64), others as they are."""
    dtype = "float64" if policy == "float64" else "float32"
    return [tf.constant(x.astype(dtype) if x.dtype.kind == "f" else x) for x in case.inputs]


def as_model(case: LayerCase, layer: keras.layers.Layer) -> keras.Model:
    """A functional model of the layer, with every length unknown that may be."""
    entries = []
    for value, free in zip(case.inputs, case.unknown, strict=True):
        shape = (*[None] * free, *value.shape[1 + free :])
        dtype = "float32" if value.dtype.kind == "f" else value.dtype.name
        entries.append(keras.Input(shape, dtype=dtype))
    return keras.Model(entries, case.call(layer, entries))


def own_settings(kind: type[keras.layers.Layer]) -> set[str]:
    """Named arguments of a constructor of ours (Keras' own have some that they do not write)."""
    if not kind.__init__.__module__.startswith("kaffect"):
        return set()
    arguments = inspect.signature(kind.__init__).parameters.values()
    return {a.name for a in arguments if a.kind is a.POSITIONAL_OR_KEYWORD} - {"self"}


@pytest.mark.parametrize("name", CASES)
def test_its_description_makes_it_again(name: str) -> None:
    case = CASES[name]
    layer = built(case)
    description = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(description, safe_mode=True)
    assert type(again) is type(layer) and again.get_config() == layer.get_config()
    assert own_settings(type(layer)) <= set(layer.get_config()), "a setting is not written down"
    expected = case.call(layer, inputs(case))
    case.call(again, inputs(case))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(case.call(again, inputs(case)), expected)


@pytest.mark.parametrize("name", CASES)
def test_it_is_saved_and_loaded_with_a_model(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    model = as_model(case, built(case))
    loaded = loaded_again(model, tmp_path)
    np.testing.assert_array_equal(loaded(inputs(case)), model(inputs(case)))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", CASES)
def test_each_precision(name: str, policy: str) -> None:
    case = CASES[name]
    exact, layer = built(case, "float64"), built(case, policy)
    layer.set_weights(exact.get_weights())
    wanted = tf.cast(case.call(exact, inputs(case, "float64")), tf.float64).numpy()
    outputs = case.call(layer, inputs(case, policy))
    accepted = {"compute": layer.compute_dtype, "input": "float32"}.get(case.output, case.output)
    assert outputs.dtype == accepted
    assert {variable.dtype for variable in layer.trainable_weights} <= {"float32"}
    scale = TOLERANCES[policy] * np.abs(wanted).max()
    np.testing.assert_allclose(tf.cast(outputs, tf.float64), wanted, rtol=0, atol=scale)


@pytest.mark.parametrize("name", CASES)
def test_unknown_batch_and_time(name: str) -> None:
    case = CASES[name]
    layer = built(case)
    model = as_model(case, layer)
    signature = [tf.TensorSpec(entry.shape, entry.dtype) for entry in model.inputs]
    compiled = tf.function(lambda *tensors: model(list(tensors)), input_signature=signature)
    given = inputs(case)
    smaller = [x[: len(x) // case.inputs[-1].shape[0]] for x in given]  # one sample
    for tensors in (given, smaller):
        expected = case.call(layer, tensors)
        np.testing.assert_allclose(compiled(*tensors), expected, rtol=1e-5, atol=1e-6)
        known = [size if size is not None else -1 for size in model.output.shape]
        assert all(k in (-1, size) for k, size in zip(known, expected.shape, strict=True))


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if not case.no_gradient])
def test_gradient_against_finite_differences(name: str) -> None:
    """Of inputs and all weights together, in training, along random directions."""
    case, rng = CASES[name], np.random.default_rng(2)
    layer = built(case, "float64")
    given = inputs(case, "float64")
    weights = [variable.value for variable in layer.trainable_weights]
    cotangent = rng.normal(size=case.call(layer, given).shape)
    trains = "training" in inspect.signature(type(layer).call).parameters

    def loss() -> tf.Tensor:
        tensors = [tf.convert_to_tensor(x) for x in watched]
        if trains:
            return tf.reduce_sum(layer(tensors[0], training=True) * cotangent)
        return tf.reduce_sum(case.call(layer, tensors) * cotangent)

    watched = [tf.Variable(x) for x in given]
    if name == "AttentionGRUCell":
        watched[-1] = given[-1]  # how many slots are filled: a whole number
    variables = [v for v in watched if isinstance(v, tf.Variable)] + weights
    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, variables)
    starts = [v.numpy() for v in variables]
    for _ in range(2):
        directions = [rng.normal(size=start.shape) for start in starts]
        ends = []
        for sign in (1, -1):
            for variable, start, direction in zip(variables, starts, directions, strict=True):
                variable.assign(start + sign * STEP * direction)
            ends.append(float(loss()))
        products = zip(gradients, directions, strict=True)
        found = sum(float((g.numpy() * d).sum()) for g, d in products)
        assert found == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_a_seed_decides_the_initial_weights(name: str) -> None:
    case = CASES[name]
    first, again, other = (case.build(seed) for seed in (1, 1, 2))
    for layer in (first, again, other):
        case.call(layer, inputs(case))
    require_seeded(first, again, other)
