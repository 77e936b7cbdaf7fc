"""An export in half precision keeps its kernels in half, and computes the same to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.models import layers_compute_in
from kaffect.serving.export import save_graph
from kaffect.serving.half_weights import read_in_half
from tests.serving.export_kinds import KINDS, save_kind


def outputs(graph: Any, name: str, copies: bool) -> dict[str, np.ndarray]:
    """What a traced signature answers to drawn inputs."""
    function, specs = graph.endpoints()[name]
    draw = np.random.default_rng(0)
    inputs = {
        key: tf.cast(draw.uniform(0, 255, [n or 2 for n in spec.shape]), spec.dtype)
        for key, spec in specs.items()
    }
    with read_in_half(graph.networks() if copies else ()) as kept:
        traced = tf.function(function, autograph=False).get_concrete_function(**specs)
    assert copies == bool(kept)
    return {key: value.numpy() for key, value in traced(**inputs).items()}


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(
    ("kind", "signature"),
    [
        ("sequences", "serve_stream"),
        ("imported, recurrent", "serve_stream"),
        ("resnet", "serving_default"),
        ("dcgan generator", "serving_default"),
        ("ssgan discriminator", "serving_default"),
    ],
)
def test_the_outputs_are_those_of_float32_weights(kind: str, signature: str, policy: str) -> None:
    with layers_compute_in(policy):
        graph = KINDS[kind]()
    wanted = outputs(graph, signature, copies=False)
    found = outputs(graph, signature, copies=True)
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)


def test_a_network_in_float32_has_no_copies() -> None:
    with read_in_half(KINDS["resnet"]().networks()) as copies:
        assert copies == []


def test_a_saved_network_holds_its_kernels_in_half(tmp_path: Path) -> None:
    save_kind("resnet", tmp_path / "half", "mixed_bfloat16")
    kept = tf.train.load_checkpoint(str(tmp_path / "half" / "variables" / "variables"))
    types = kept.get_variable_to_dtype_map()
    shapes = kept.get_variable_to_shape_map()
    convolutions = [types[name] for name, shape in shapes.items() if len(shape) == 4]
    assert len(convolutions) == 20 and set(convolutions) == {tf.bfloat16}
    # Normalisation and the output layers compute in float32.
    assert tf.float32 in types.values()


def test_the_network_itself_is_not_changed(tmp_path: Path) -> None:
    with layers_compute_in("mixed_bfloat16"):
        graph = KINDS["classifier"]()
    (network,) = graph.networks()
    before = [weight.numpy() for weight in network.weights]
    save_graph(graph, tmp_path / "half")
    for weight, value in zip(network.weights, before, strict=True):
        assert weight.value.dtype == tf.float32
        np.testing.assert_array_equal(weight.numpy(), value)
