"""What every network must do: start from its seed, take any batch and length, be saved."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conformance.checks import loaded_again, require_seeded
from tests.conformance.networks import CASES, Case


@cache
def case_of(name: str) -> Case:
    return CASES[name]()


@cache
def network_of(name: str, seed: int) -> keras.Model:
    """Built once for all tests, which only read it."""
    return case_of(name).build(seed)


def outputs(network: keras.Model, values: np.ndarray) -> list[np.ndarray]:
    return [value.numpy() for value in tf.nest.flatten(network(values, training=False))]


def compiled(network: keras.Model) -> tf.types.experimental.GenericFunction:
    """For every length that the network leaves open."""
    entry = network.inputs[0]
    signature = [tf.TensorSpec(entry.shape, entry.dtype)]
    return tf.function(lambda values: network(values, training=False), input_signature=signature)


def in_its_dtype(network: keras.Model, values: np.ndarray) -> np.ndarray:
    return values.astype(network.inputs[0].dtype)


@pytest.mark.parametrize("name", CASES)
def test_any_batch(name: str) -> None:
    """One sample alone gives what it gives among others, also in a graph."""
    network = network_of(name, 1)
    values = in_its_dtype(network, case_of(name).inputs)
    assert network.input_shape[0] is None
    function = compiled(network)
    together = tf.nest.flatten(function(values))
    alone = tf.nest.flatten(function(values[:1]))
    for value, one, eager in zip(together, alone, outputs(network, values), strict=True):
        assert value.shape[0] == len(values) and one.shape[0] == 1
        scale = 1e-5 * np.abs(eager).max()
        np.testing.assert_allclose(value, eager, rtol=0, atol=scale)
        np.testing.assert_allclose(one, eager[:1], rtol=0, atol=scale)


@pytest.mark.parametrize("name", [n for n in CASES if case_of(n).any_length])
def test_any_length(name: str) -> None:
    case, fixed = case_of(name), network_of(name, 1)
    free = case.any_length(1)  # type: ignore[misc]  # only cases that have it
    assert free.input_shape[1] is None
    values = in_its_dtype(free, case.inputs)
    function = compiled(free)
    found = tf.nest.flatten(function(values))
    for value, wanted in zip(found, outputs(fixed, values), strict=True):
        np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-5)
    # No frame knows of a later one.
    for value, whole in zip(tf.nest.flatten(function(values[:, :3])), found, strict=True):
        np.testing.assert_allclose(value, whole[:, :3], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_it_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    network = network_of(name, 1)
    values = in_its_dtype(network, case_of(name).inputs[:2])
    loaded = loaded_again(network, tmp_path)
    for value, wanted in zip(outputs(loaded, values), outputs(network, values), strict=True):
        np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize("name", CASES)
def test_a_seed_decides_the_initial_weights(name: str) -> None:
    again = case_of(name).build(1)
    assert require_seeded(network_of(name, 1), again, network_of(name, 2)) > 0


@pytest.mark.parametrize("name", CASES)
def test_a_training_step_reaches_every_weight(name: str) -> None:
    """A gradient that is finite and not 0 for every weight, of a fresh network."""
    case = case_of(name)
    network = case.build(3)
    with tf.GradientTape() as tape:
        loss = case.loss(network(in_its_dtype(network, case.inputs), training=True))
    variables = network.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path
