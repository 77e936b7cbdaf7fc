"""Face crops as the GANs see them: 96x96 or 32x32, intensities in [-1, 1] (paper Section III-E)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.models.preprocessing import ImagePreprocessing


def normalise(images: Any, size: int) -> tf.Tensor:
    """Pixels 0 ... 255 [..., h, w, 3] -> [batch, size, size, 3] in [-1, 1), float32.

    Shrinking averages over areas: 96 to 32 pixels is the mean of each 3x3 block.

    Raises:
        ConfigError: the pictures are smaller than `size`: enlarged ones would teach blur.
    """
    pixels = tf.cast(images, tf.float32)
    if min(pixels.shape[-3:-1]) < size:
        wanted = f"images of at least {size}x{size} pixels"
        shape = "x".join(map(str, pixels.shape[-3:-1]))
        raise ConfigError(expected_received("Image size", wanted, shape))
    if pixels.shape[-2] != size or pixels.shape[-3] != size:
        pixels = tf.image.resize(pixels, (size, size), method="area")
    return ImagePreprocessing("paper", dtype="float32")(pixels)


def to_pixels(images: Any) -> np.ndarray:
    """The inverse of `normalise`, rounded and cut to 0 ... 255: uint8."""
    values = np.asarray(images, np.float32) * 128.0 + 128.0
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
