"""A small network whose features compare generated faces with real ones (Section V-A.2: FID)."""

from __future__ import annotations

import keras

from kaffect.errors import ConfigError, expected_received
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
    """
    if image_size % IMAGE_SIZE:
        raise ConfigError(
            expected_received("Image size of features", "a multiple of 32", image_size)
        )
    image = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    x = ImagePreprocessing("paper", name="preprocessing")(image)
    if image_size > IMAGE_SIZE:
        x = keras.layers.AveragePooling2D(image_size // IMAGE_SIZE, name="shrink")(x)
    for place, channels in enumerate(DISCRIMINATOR, start=1):
        x = downsampling(x, recipe("paper", seed), place, scaled_channels(channels, width), 5)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D(name="mean")(x), name=name)
