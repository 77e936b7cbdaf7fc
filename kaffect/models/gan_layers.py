"""The blocks of which the four GAN networks are made (paper Section IV-A, Tables V-VIII)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.biased import Conv2DTranspose
from kaffect.models.dtypes import full_precision
from kaffect.models.initialisers import derived_seed
from kaffect.models.normalization import FusedBatchNormalization
from kaffect.models.strided import StridedConv2D, StridedConv2DTranspose

LATENT = 100  # "a 100 dimensional-vector Z", uniform in [-1, 1]
LEAK = 0.2  # Section IV-C.1
STYLES = ("paper", "ssgan")
DISCRIMINATOR_OUTPUTS = (11, 3, 9)  # VA + 8 AUs + fake, VA + fake, AUs + fake


@dataclass(frozen=True)
class Recipe:
    """What the paper leaves to the code that each configuration grew out of.

    Attributes:
        style: "paper": convolution, normalisation, activation. "ssgan": convolution,
            activation, normalisation, and dropout 0.5 behind each block of the discriminator.
        momentum: of the moving statistics; epsilon: of the normalisation.
        start: seed -> initialiser of convolutions (and of configuration 2's dense layer).
        seed: of all initial weights, or None.
    """

    style: str
    momentum: float
    epsilon: float
    start: Callable[[int | None], keras.initializers.Initializer]
    seed: int | None

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ConfigError(expected_received("Unknown style of a GAN block", STYLES, self.style))

    def initialiser(self, place: int) -> keras.initializers.Initializer:
        """The initialiser of the weights at `place` in the network."""
        return self.start(derived_seed(self.seed, place))

    def normalised(self, x: Any, activation: keras.layers.Layer, place: int) -> Any:
        """Normalisation and activation, in the order of this style.

        Args:
            x: symbolic [batch, height, width, channels].
            activation: the layer.
            place: of the layers in the network; their names end with it.
        """
        norm = FusedBatchNormalization(
            self.momentum, self.epsilon, name=f"batch_normalization_{place}"
        )
        return activation(norm(x)) if self.style == "paper" else norm(activation(x))


def upsampling(
    x: Any, recipe: Recipe, place: int, channels: int, kernel: int, stride: int, padding: str
) -> Any:
    """`conv2d_transpose_<place>` with bias.

    Args:
        x: symbolic [batch, height, width, channels].
        recipe: what the paper leaves open.
        place: of the layer in the network.
        channels, kernel, stride, padding: of the transposed convolution.
    """
    named: dict[str, Any] = {
        "kernel_initializer": recipe.initialiser(place),
        "name": f"conv2d_transpose_{place}",
    }
    if (stride, padding) == (2, "same"):
        return StridedConv2DTranspose(channels, kernel, **named)(x)
    return Conv2DTranspose(channels, kernel, stride, padding, **named)(x)


def rectified(x: Any, recipe: Recipe, place: int) -> Any:
    """Normalisation and ReLU of x [batch, height, width, channels], in the order of the style."""
    return recipe.normalised(x, keras.layers.ReLU(name=f"relu_{place}"), place)


def to_image(x: Any) -> Any:
    """tanh of x [batch, height, width, 3] to [-1, 1], in float32 under every precision policy."""
    return keras.layers.Activation("tanh", dtype=full_precision(), name="tanh")(x)


def downsampling(x: Any, recipe: Recipe, place: int, channels: int, kernel: int) -> Any:
    """Stride-2 'SAME' convolution, normalisation and leaky ReLU; dropout in style "ssgan".

    Args:
        x: symbolic [batch, height, width, channels].
        recipe: what the paper leaves open.
        place: of the layers in the network.
        channels, kernel: of the convolution.
    """
    start, name = recipe.initialiser(place), f"conv2d_{place}"
    x = StridedConv2D(channels, kernel, kernel_initializer=start, name=name)(x)
    leaky = keras.layers.LeakyReLU(negative_slope=LEAK, name=f"leaky_relu_{place}")
    x = recipe.normalised(x, leaky, place)
    if recipe.style == "ssgan":
        seed = derived_seed(recipe.seed, place, 1)
        x = keras.layers.Dropout(0.5, seed=seed, name=f"dropout_{place}")(x)
    return x


def to_logits(x: Any, recipe: Recipe, outputs: int, place: int) -> Any:
    """Flatten and one linear layer: valence, arousal, AUs, fake, as float32 logits.

    The sigmoids that the tables list on AUs and fake are in the losses and in serving.

    Args:
        x: symbolic [batch, ...].
        recipe: what the paper leaves open.
        outputs: how many.
        place: of the layer in the network.

    Returns:
        Symbolic [batch, outputs].
    """
    x = keras.layers.Flatten(name="flatten")(x)
    start = keras.initializers.GlorotUniform(seed=derived_seed(recipe.seed, place))
    logits = keras.layers.Dense(
        outputs, kernel_initializer=start, dtype=full_precision(), name="logits"
    )
    return logits(x)


def require_outputs(outputs: int) -> None:
    """Raises `ConfigError` for fewer than two outputs: one class and the fake class."""
    if outputs < 2:
        raise ConfigError(
            expected_received("Discriminator outputs", DISCRIMINATOR_OUTPUTS, outputs)
        )


def scaled_channels(channels: int, width: float) -> int:
    """`channels` times `width`, at least 1 (tests use narrow networks; the paper's width is 1)."""
    return max(1, round(channels * width))
