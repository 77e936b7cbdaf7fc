"""Dropout of a share of a batch is that share of the whole batch's dropout, at every step."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.models.batch_share import BatchShare, computing_share
from kaffect.models.dropout import Dropout


def steps(layer: keras.layers.Layer, inputs: tf.Tensor, count: int = 3) -> list[np.ndarray]:
    return [np.asarray(tf.cast(layer(inputs, training=True), tf.float32)) for _ in range(count)]


def some(shape: tuple[int, ...], dtype: str) -> tf.Tensor:
    values = np.random.default_rng(0).uniform(1, 2, shape)
    return tf.cast(values, keras.DTypePolicy(dtype).compute_dtype)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_the_whole_batch_is_dropped_from_as_by_keras(dtype: str) -> None:
    inputs = some((7, 4, 5), dtype)
    ours = steps(Dropout(0.4, seed=3, dtype=dtype), inputs)
    theirs = steps(keras.layers.Dropout(0.4, seed=3, dtype=dtype), inputs)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("frames", [1, 6])
def test_a_share_is_dropped_from_as_within_the_whole_batch(dtype: str, frames: int) -> None:
    """`frames`: of each sample, as rows of their own."""
    inputs = some((7 * frames, 5), dtype)
    whole = steps(Dropout(0.4, seed=3, dtype=dtype), inputs)
    assert not np.array_equal(whole[0], whole[1])
    parts = []
    for share in (BatchShare(0, 4, 7), BatchShare(4, 3, 7)):
        part = inputs[share.first * frames : (share.first + share.count) * frames]
        with computing_share(share):
            parts.append(steps(Dropout(0.4, seed=3, dtype=dtype), part))
    # A kept value may be rounded twice in half precision.
    tolerance = {"float32": 1e-6, "mixed_bfloat16": 2e-2, "mixed_float16": 2e-3}[dtype]
    found = np.concatenate(parts, axis=1)
    np.testing.assert_array_equal(found == 0, np.array(whole) == 0)
    np.testing.assert_allclose(found, whole, rtol=tolerance)


def test_nothing_is_dropped_in_inference_or_at_rate_0() -> None:
    inputs = some((4, 5), "float32")
    with computing_share(BatchShare(0, 4, 8)):
        for rate, training in ((0.5, False), (0.0, True)):
            np.testing.assert_array_equal(Dropout(rate)(inputs, training=training), inputs)
