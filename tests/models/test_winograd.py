"""Stride-2 convolutions by minimal filtering against the direct sums, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kaffect.models.winograd import (
    filtering_matrices,
    strided_conv2d,
    strided_conv2d_transpose,
)


@pytest.mark.parametrize(("outputs", "taps"), [(2, 2), (2, 3), (3, 3), (4, 3), (3, 4), (4, 4)])
def test_one_axis_against_numpy(outputs: int, taps: int) -> None:
    forward, filters, inputs = filtering_matrices(outputs, taps)
    rng = np.random.default_rng(outputs * 10 + taps)
    signal, weights = rng.normal(size=outputs + taps - 1), rng.normal(size=taps)
    found = forward @ ((filters @ weights) * (inputs @ signal))
    np.testing.assert_allclose(found, np.correlate(signal, weights, "valid"), atol=1e-12)


def test_two_outputs_of_three_taps_by_hand() -> None:
    """Winograd's F(2, 3): m2 and m3 hold halves of the sums and differences of the taps."""
    _, filters, _ = filtering_matrices(2, 3)
    np.testing.assert_allclose(np.abs(filters[1:3]), [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(
        filters[[0, 3]] != 0, [[True, False, False], [False, False, True]]
    )


def _value_and_gradients(function, x, kernel):  # type: ignore[no-untyped-def]
    x, kernel = tf.constant(x), tf.constant(kernel)
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y = function(x, kernel)
        # A loss in which each output counts by another weight.
        loss = tf.reduce_sum(y * tf.reshape(tf.range(tf.size(y), dtype=y.dtype), tf.shape(y)) / 99)
    return y, *tape.gradient(loss, [x, kernel])


@pytest.mark.parametrize(("kernel", "tile"), [(5, 2), (5, 3), (5, 4), (7, 3), (7, 4)])
@pytest.mark.parametrize("side", [3, 6, 7])  # 7: tiles that the image does not fill
def test_transposed_convolution(kernel: int, tile: int, side: int) -> None:
    rng = np.random.default_rng(kernel + side + tile)
    x, weights = rng.normal(size=(2, side, side, 3)), rng.normal(size=(kernel, kernel, 4, 3))
    size = (2, 2 * side, 2 * side, 4)
    expected = _value_and_gradients(
        lambda x, w: tf.nn.conv2d_transpose(x, w, size, 2, "SAME"), x, weights
    )
    found = _value_and_gradients(lambda x, w: strided_conv2d_transpose(x, w, tile), x, weights)
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, atol=1e-9 * np.abs(theirs).max())


@pytest.mark.parametrize(("kernel", "tile"), [(5, 2), (5, 3), (5, 4), (7, 3), (7, 4)])
@pytest.mark.parametrize("side", [6, 12, 14])
def test_convolution(kernel: int, tile: int, side: int) -> None:
    rng = np.random.default_rng(kernel + side + tile)
    x, weights = rng.normal(size=(2, side, side, 3)), rng.normal(size=(kernel, kernel, 3, 4))
    expected = _value_and_gradients(lambda x, w: tf.nn.conv2d(x, w, 2, "SAME"), x, weights)
    found = _value_and_gradients(lambda x, w: strided_conv2d(x, w, tile), x, weights)
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, atol=1e-9 * np.abs(theirs).max())
