"""What a network's input is: colour order and scale of a face crop (Section IV-B).

The one place where an image is normalised. AffWildNet, on which the paper builds, reads RGB as
(x - 128) / 128; the published VGG-Face weights want BGR minus a mean, torchvision's of ResNet-18
RGB with mean and standard deviation of ImageNet taken out. With such weights either keep their
preprocessing or expect the network to adapt to the other one: a setting, not a guess.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.models.recurrence_forward import Tensor

MODES = ("paper", "vggface", "imagenet", "grey")

# Mean of the VGG-Face training images, in the order blue, green, red (keras-vggface, version 1).
VGGFACE_MEAN_BGR = (93.5940, 104.7624, 129.1863)
# Of ImageNet's training images scaled to [0, 1], in the order red, green, blue (torchvision).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
# Brightness of red, green and blue (ITU-R BT.601), and the least contrast, in grey levels, that
# mode "grey" stretches.
LUMA = (0.299, 0.587, 0.114)
LEAST_DEVIATION = 8.0


@keras.saving.register_keras_serializable("kaffect")
class ImagePreprocessing(keras.layers.Layer):
    """Pixels 0 ... 255 in the order red, green, blue -> what the convolutions were trained on.

    Args:
        mode: "paper": (x - 128) / 128, RGB, in [-1, 1). "vggface": BGR minus the VGG-Face mean,
            about -129 ... 162, not scaled. "imagenet": (x / 255 - mean) / deviation, RGB, about
            -2.1 ... 2.6. "grey": brightness alone, with mean 0 and deviation 1 over each picture,
            in three equal channels, about -4 ... 4.

    Input: [..., 3] (mode "grey": [..., height, width, 3]), uint8 or floats in 0 ... 255.
    Output: [..., 3] in the layer's compute dtype.

    >>> ImagePreprocessing("paper")(tf.constant([[0, 128, 255]], tf.uint8)).numpy().tolist()
    [[-1.0, 0.0, 0.9921875]]
    """

    def __init__(self, mode: str = "paper", **kwargs: Any) -> None:
        # Pixels are cast here, after the arithmetic, not before it.
        super().__init__(autocast=False, **kwargs)
        if mode not in MODES:
            raise ConfigError(expected_received("Unknown preprocessing of images", MODES, mode))
        self.mode = mode

    def call(self, images: Tensor) -> Tensor:
        pixels = tf.cast(images, tf.float32)
        if self.mode == "paper":
            pixels = (pixels - 128.0) / 128.0
        elif self.mode == "imagenet":
            pixels = pixels / 255.0 - tf.constant(IMAGENET_MEAN)
            pixels = pixels / tf.constant(IMAGENET_DEVIATION)
        elif self.mode == "grey":
            pixels = _standardised_grey(pixels)
        else:
            pixels = tf.reverse(pixels, [-1]) - tf.constant(VGGFACE_MEAN_BGR)
        return tf.cast(pixels, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


def _standardised_grey(pixels: Tensor) -> tf.Tensor:
    """Mode "grey" of `ImagePreprocessing`; [..., height, width, 3] in and out."""
    grey = tf.reduce_sum(pixels * tf.constant(LUMA), axis=-1, keepdims=True)
    grey = grey - tf.reduce_mean(grey, axis=[-3, -2], keepdims=True)
    power = tf.reduce_mean(grey * grey, axis=[-3, -2], keepdims=True)
    grey = grey / tf.maximum(tf.sqrt(power), LEAST_DEVIATION)
    return tf.concat([grey, grey, grey], axis=-1)
