"""Pixels to what the GANs see and back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.training.gan_images import normalise, to_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype(np.uint8)


def test_range_and_round_trip() -> None:
    images = normalise(PIXELS, 96)
    assert images.dtype == tf.float32
    assert float(tf.reduce_min(images)) == -1.0 and float(tf.reduce_max(images)) < 1.0
    np.testing.assert_array_equal(to_pixels(images), PIXELS)


def test_shrinking_is_the_mean_of_3x3_blocks() -> None:
    wanted = PIXELS.reshape(2, 32, 3, 32, 3, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(normalise(PIXELS, 32), (wanted - 128) / 128, atol=1e-5)


def test_pixels_are_cut_not_wrapped() -> None:
    assert to_pixels(np.array([-1.5, 1.0, 2.0])).tolist() == [0, 255, 255]


def test_enlarging_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 96x96 pixels. Received: '32x32'"):
        normalise(PIXELS[:, :32, :32], 96)
