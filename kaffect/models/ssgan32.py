"""Configuration 1 of the GAN: generator of Table V, discriminator of Table VI (32x32 images).

"The first configuration was based on the SSGAN" (Section IV-A). What the tables
leave open is as in that code: convolution weights from a truncated normal of
standard deviation 0.02, normalisation with momentum 0.9 and epsilon 1e-3.
"""

from __future__ import annotations

import keras

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

IMAGE_SIZE = 32
# (channels, filter, stride) of each transposed convolution of Table V.
GENERATOR = ((384, 2, 1), (128, 4, 2), (64, 4, 2), (3, 6, 2))
DISCRIMINATOR = (64, 128, 256)


def recipe(style: str, seed: int | None) -> Recipe:
    """What Tables V and VI leave open."""

    def start(place_seed: int | None) -> keras.initializers.Initializer:
        return keras.initializers.TruncatedNormal(stddev=0.02, seed=place_seed)

    return Recipe(style, momentum=0.9, epsilon=1e-3, start=start, seed=seed)


def ssgan_generator(
    style: str = "paper", width: float = 1.0, seed: int | None = None, name: str = "ssgan_generator"
) -> keras.Model:
    """Table V: a latent vector to a 32x32 image.

    | layer              | filter           | stride | output    |
    |--------------------|------------------|--------|-----------|
    | reshape            |                  |        | 1x1x100   |
    | conv2d transpose 1 | [2, 2, 100, 384] | 1      | 2x2x384   |
    | conv2d transpose 2 | [4, 4, 384, 128] | 2      | 6x6x128   |
    | conv2d transpose 3 | [4, 4, 128, 64]  | 2      | 14x14x64  |
    | conv2d transpose 4 | [6, 6, 64, 3]    | 2      | 32x32x3   |

    Batch normalisation and ReLU behind the first three, tanh behind the last.
    Padding is 'VALID': with the 'SAME' that the table prints the image would have
    8x8 pixels (1-2-4-8 with strides 1, 2, 2, 2); with 'VALID' it has the stated 32x32.

    Args:
        style: "paper" (normalisation before activation) or "ssgan" (after it).
        width: scales the channel numbers (1 is the paper's network).
        seed: of the initial weights.
        name: of the model.

    Returns:
        [batch, 100], uniform in [-1, 1] -> [batch, 32, 32, 3] in [-1, 1], float32.
    """
    blocks = recipe(style, seed)
    latent = keras.Input((LATENT,), name="latent")
    x = keras.layers.Reshape((1, 1, LATENT), name="reshape")(latent)
    for place, (channels, kernel, stride) in enumerate(GENERATOR[:-1], start=1):
        channels = scaled_channels(channels, width)
        x = upsampling(x, blocks, place, channels, kernel, stride, "valid")
        x = rectified(x, blocks, place)
    x = upsampling(x, blocks, len(GENERATOR), *GENERATOR[-1], "valid")
    return keras.Model(latent, to_image(x), name=name)


def ssgan_discriminator(
    outputs: int = 11,
    style: str = "paper",
    width: float = 1.0,
    seed: int | None = None,
    name: str = "ssgan_discriminator",
) -> keras.Model:
    """Table VI: a 32x32 image to valence, arousal, eight AUs and fake.

    | layer           | filter            | stride | output    |
    |-----------------|-------------------|--------|-----------|
    | conv2d 1        | [5, 5, 3, 64]     | 2      | 16x16x64  |
    | conv2d 2        | [5, 5, 64, 128]   | 2      | 8x8x128   |
    | conv2d 3        | [5, 5, 128, 256]  | 2      | 4x4x256   |
    | fully connected |                   |        | 2 + 8 + 1 |

    'SAME' padding; batch normalisation and leaky ReLU (0.2) behind each convolution.

    Args:
        outputs: 11 (VA, AUs, fake), 3 (VA, fake) or 9 (AUs, fake); the last is always fake.
        style: "paper", or "ssgan": activation before normalisation, then dropout 0.5.
        width: scales the channel numbers (1 is the paper's network).
        seed: of the initial weights and of dropout.
        name: of the model.

    Returns:
        [batch, 32, 32, 3] in [-1, 1] -> logits [batch, outputs], float32.
    """
    require_outputs(outputs)
    blocks = recipe(style, seed)
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    x = image
    for place, channels in enumerate(DISCRIMINATOR, start=1):
        x = downsampling(x, blocks, place, scaled_channels(channels, width), kernel=5)
    logits = to_logits(x, blocks, outputs, place=len(DISCRIMINATOR) + 1)
    return keras.Model(image, logits, name=name)
