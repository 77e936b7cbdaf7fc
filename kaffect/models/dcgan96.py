"""Configuration 2 of the GAN: generator of Table VII, discriminator of Table VIII (96x96 images).

"The second configuration was a modification of the DC-GAN" (Section IV-A). What
the tables leave open has the defaults of TensorFlow 1's layers, with which that
code was written: Glorot uniform weights, normalisation with momentum 0.99 and
epsilon 1e-3.
"""

from __future__ import annotations

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.biased import Dense
from kaffect.models.gan_layers import (
    LATENT,
    Recipe,
    downsampling,
    rectified,
    require_outputs,
    scaled_channels,
    to_image,
    to_logits,
    upsampling,
)

IMAGE_SIZE = 96
KERNELS = (5, 7)
_START = 6  # the projected latent vector is 6x6x1024
PROJECTION = 1024
GENERATOR = (512, 256, 128, 3)
DISCRIMINATOR = (64, 128, 256, 512)


def _recipe(seed: int | None) -> Recipe:
    def start(place_seed: int | None) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(seed=place_seed)

    return Recipe("paper", momentum=0.99, epsilon=1e-3, start=start, seed=seed)


def _require_kernel(kernel_size: int) -> None:
    if kernel_size not in KERNELS:
        raise ConfigError(expected_received("Filter size of configuration 2", KERNELS, kernel_size))


def dcgan_generator(
    kernel_size: int = 5, width: float = 1.0, seed: int | None = None, name: str = "dcgan_generator"
) -> keras.Model:
    """Table VII: a latent vector to a 96x96 image.

    | layer              | filter            | stride | output     |
    |--------------------|-------------------|--------|------------|
    | fully connected    |                   |        | 6x6x1024   |
    | conv2d transpose 1 | [5, 5, 1024, 512] | 2      | 12x12x512  |
    | conv2d transpose 2 | [5, 5, 512, 256]  | 2      | 24x24x256  |
    | conv2d transpose 3 | [5, 5, 256, 128]  | 2      | 48x48x128  |
    | conv2d transpose 4 | [5, 5, 128, 3]    | 2      | 96x96x3    |

    'SAME' padding; batch normalisation and ReLU behind the fully connected layer
    and the first three convolutions, tanh behind the last.

    Args:
        kernel_size: 5, or 7 ("we also tested ... instead of using 5x5 filters, we used 7x7").
        width: scales the channel numbers (1 is the paper's network).
        seed: of the initial weights.
        name: of the model.

    Returns:
        [batch, 100], uniform in [-1, 1] -> [batch, 96, 96, 3] in [-1, 1], float32.
    """
    _require_kernel(kernel_size)
    recipe = _recipe(seed)
    channels = scaled_channels(PROJECTION, width)
    latent = keras.Input((LATENT,), name="latent")
    x = Dense(
        _START * _START * channels,
        kernel_initializer=recipe.initialiser(0),
        name="fully_connected",
    )(latent)
    x = keras.layers.Reshape((_START, _START, channels), name="reshape")(x)
    x = rectified(x, recipe, 0)
    for place, channels in enumerate(GENERATOR[:-1], start=1):
        channels = scaled_channels(channels, width)
        x = upsampling(x, recipe, place, channels, kernel_size, 2, "same")
        x = rectified(x, recipe, place)
    x = upsampling(x, recipe, len(GENERATOR), GENERATOR[-1], kernel_size, 2, "same")
    return keras.Model(latent, to_image(x), name=name)


def dcgan_discriminator(
    kernel_size: int = 5,
    outputs: int = 11,
    width: float = 1.0,
    seed: int | None = None,
    name: str = "dcgan_discriminator",
) -> keras.Model:
    """Table VIII: a 96x96 image to valence, arousal, eight AUs and fake.

    | layer           | filter            | stride | output     |
    |-----------------|-------------------|--------|------------|
    | conv2d 1        | [5, 5, 3, 64]     | 2      | 48x48x64   |
    | conv2d 2        | [5, 5, 64, 128]   | 2      | 24x24x128  |
    | conv2d 3        | [5, 5, 128, 256]  | 2      | 12x12x256  |
    | conv2d 4        | [5, 5, 256, 512]  | 2      | 6x6x512    |
    | fully connected |                   |        | 2 + 8 + 1  |

    'SAME' padding; batch normalisation and leaky ReLU (0.2) behind each convolution.

    Args:
        kernel_size: 5 or 7.
        outputs: 11 (VA, AUs, fake), 3 (VA, fake) or 9 (AUs, fake); the last is always fake.
        width: scales the channel numbers (1 is the paper's network).
        seed: of the initial weights.
        name: of the model.

    Returns:
        [batch, 96, 96, 3] in [-1, 1] -> logits [batch, outputs], float32.
    """
    _require_kernel(kernel_size)
    require_outputs(outputs)
    recipe = _recipe(seed)
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    x = image
    for place, channels in enumerate(DISCRIMINATOR, start=1):
        x = downsampling(x, recipe, place, scaled_channels(channels, width), kernel_size)
    logits = to_logits(x, recipe, outputs, place=len(DISCRIMINATOR) + 1)
    return keras.Model(image, logits, name=name)
