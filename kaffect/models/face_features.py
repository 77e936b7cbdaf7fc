"""A small network whose features compare generated faces with real ones (Section V-A.2: FID)."""

from __future__ import annotations

from typing import Any

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.dtypes import full_precision
from kaffect.models.gan_layers import downsampling, scaled_channels
from kaffect.models.preprocessing import ImagePreprocessing
from kaffect.models.ssgan32 import DISCRIMINATOR, IMAGE_SIZE, recipe


def face_features(
    image_size: int = 96, width: float = 0.5, seed: int | None = None, name: str = "face_features"
) -> keras.Model:
    """Faces to features: means over squares down to 32x32 pixels, then Table VI's convolutions.

    It sees no detail finer than 32x32, so that both configurations are compared alike.

    Args:
        image_size: a multiple of 32.
        width: scales the channel numbers.
        seed: of the initial weights.
        name: of the model.

    Returns:
        uint8 [batch, image_size, image_size, 3] -> [batch, 256 * width], means over the last
        4x4 places.

    Raises:
        ConfigError: another image size.
    """
    image = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    x = ImagePreprocessing("paper", name="preprocessing")(image)
    return keras.Model(image, _features(x, image_size, width, seed), name=name)


def small_cnn(
    image_size: int = 96,
    width: float = 0.5,
    weights: None = None,
    seed: int | None = None,
    name: str = "small_cnn",
) -> keras.Model:
    """`face_features` behind the normalisation of pixels: a backbone of `kaffect.models.BACKBONES`.

    Args:
        image_size: a multiple of 32.
        width: scales the channel numbers.
        weights: there are no published ones.
        seed: of the initial weights.
        name: of the model.

    Returns:
        [batch, image_size, image_size, 3] in [-1, 1] -> [batch, 256 * width].

    Raises:
        ConfigError: another image size, or weights.
    """
    if weights is not None:
        raise ConfigError(expected_received("Weights of the small CNN", "None", weights))
    image = keras.Input((image_size, image_size, 3), name="image")
    return keras.Model(image, _features(image, image_size, width, seed), name=name)


def _features(x: Any, image_size: int, width: float, seed: int | None) -> Any:
    if image_size % IMAGE_SIZE:
        raise ConfigError(
            expected_received("Image size of features", "a multiple of 32", image_size)
        )
    if image_size > IMAGE_SIZE:
        x = keras.layers.AveragePooling2D(image_size // IMAGE_SIZE, name="shrink")(x)
    for place, channels in enumerate(DISCRIMINATOR, start=1):
        x = downsampling(x, recipe("paper", seed), place, scaled_channels(channels, width), 5)
    return keras.layers.GlobalAveragePooling2D(name="mean", dtype=full_precision())(x)
