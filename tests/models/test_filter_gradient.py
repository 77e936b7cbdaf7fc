"""The own filter gradient is TensorFlow's, in every precision, wherever the table takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.models import affect_network, filter_gradient, layers_compute_in
from kaffect.models.filter_gradient import conv2d, conv2d_transpose, measured, pays
from kaffect.processor import BFLOAT16_FLAGS

# bfloat16 has 8 bits, and both ways round a float32 sum once.
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 2**-7}
TABLE = {
    "amx_bf16": [
        {"size": 3, "stride": 1, "channels": 64, "largest_side": 4},
        {"size": 3, "stride": 1, "channels": 256, "largest_side": 8},
    ]
}


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The own way is taken for each size; a list of the times that it was asked for."""
    asked: list[bool] = []

    def taken(*_: Any) -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr(filter_gradient, "_pays_here", taken)
    return asked


def drawn(*shape: int, dtype: str) -> tf.Tensor:
    return tf.cast(np.random.default_rng(sum(shape)).normal(size=shape), dtype)


def gradients(
    way: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], x: tf.Tensor, w: tf.Tensor
) -> list[np.ndarray]:
    """Output, and gradients of a weighted sum of it over input and filter."""

    @tf.function
    def compute() -> Any:
        with tf.GradientTape() as tape:
            tape.watch((x, w))
            y = way(x, w)
            loss = tf.reduce_sum(y * drawn(*y.shape, dtype=x.dtype.name))
        return y, *tape.gradient(loss, (x, w))

    return [np.asarray(tf.cast(value, "float64")) for value in compute()]


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize(("side", "size", "stride"), [(7, 3, 1), (8, 5, 2), (7, 3, 2)])
@pytest.mark.parametrize("transposed", [False, True])
def test_every_gradient_is_the_librarys(
    everywhere: list[bool], dtype: str, side: int, size: int, stride: int, transposed: bool
) -> None:
    x = drawn(3, side, side, 6, dtype=dtype)
    if transposed:
        w = drawn(size, size, 5, 6, dtype=dtype)
        shape = (3, side * stride, side * stride, 5)
        wanted = gradients(lambda x, w: tf.nn.conv2d_transpose(x, w, shape, stride, "SAME"), x, w)
        found = gradients(lambda x, w: conv2d_transpose(x, w, stride), x, w)
    else:
        w = drawn(size, size, 6, 5, dtype=dtype)
        wanted = gradients(lambda x, w: tf.nn.conv2d(x, w, stride, "SAME"), x, w)
        found = gradients(lambda x, w: conv2d(x, w, stride), x, w)
    assert everywhere
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE[dtype] * np.abs(other).max())


@pytest.mark.parametrize(
    ("processor", "channels", "side", "taken"),
    [
        ("amx_bf16", 64, 4, True),
        ("amx_bf16", 64, 5, False),
        ("amx_bf16", 300, 8, True),
        ("amx_bf16", 32, 4, False),
        ("plain", 300, 8, False),
    ],
)
def test_the_table_decides(processor: str, channels: int, side: int, taken: bool) -> None:
    settings = {"size": 3, "stride": 1, "side": side, "channels": channels}
    assert pays(TABLE, processor, **settings) == taken
    assert not pays(TABLE, processor, **{**settings, "stride": 2})


def test_only_measured_processors_stand_in_the_table() -> None:
    assert set(measured()) <= set(BFLOAT16_FLAGS)
    for rows in measured().values():
        sizes = [(row["size"], row["stride"], row["channels"]) for row in rows]
        assert len(set(sizes)) == len(sizes)


def test_a_network_takes_it_in_training_only(everywhere: list[bool]) -> None:
    with layers_compute_in("mixed_bfloat16"):
        network = affect_network(image_size=32, width=1 / 16, seed=1)
    images = np.zeros((2, 32, 32, 3), np.float32)
    everywhere.clear()  # building is no training
    graph = tf.function(network).get_concrete_function(tf.constant(images), training=False).graph
    # An export must not hold what only a gradient needs.
    assert not everywhere and "_gradient_op_type" not in str(graph.as_graph_def())
    network(images, training=True)
    assert len(everywhere) == 13  # convolutions with stride 1; those with 2 pad by themselves
