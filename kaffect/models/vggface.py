"""The 13 convolutions and 5 pools of VGG-Face (Section IV-B: "VGGFACE-GRU").

Names and shapes are those of keras-vggface 0.6; `vggface_weights` reads its files.
"""

from __future__ import annotations

import logging
from pathlib import Path

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.biased import Conv2D
from kaffect.models.initialisers import derived_seed
from kaffect.models.vggface_weights import load_vggface_weights

log = logging.getLogger(__name__)

# (convolutions, channels) of each of the five blocks.
BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def vggface_features(
    weights: str | Path | None = None,
    image_size: int = 96,
    width: float = 1.0,
    seed: int | None = None,
    name: str = "vggface",
) -> keras.Model:
    """The convolutional part of VGG-Face as a functional model.

    3x3 convolutions "same" with ReLU, 2x2 pools of stride 2 ("same", as AffWildNet has them; of
    consequence only where `image_size` is not a multiple of 32).

    Args:
        weights: a keras-vggface `notop` file (.h5); without one, He initialisation.
        image_size: side of the square input in pixels (paper: 96).
        width: scales the number of channels (not in the paper: 1 is the paper's network, the
            demonstration on a small machine uses less).
        seed: of the initial weights.
        name: of the model.

    Returns:
        [batch, image_size, image_size, 3] -> [batch, n, n, 512], n = 3 for 96 pixels. The input's
        scale is the caller's choice: [-1, 1] RGB as in the paper, or what the weights were trained
        on (`preprocessing.ImagePreprocessing`).

    Raises:
        ConfigError: a size is not positive.
        ArtifactError: the weights file is not one of this network.
    """
    if int(image_size) != image_size or image_size < 1 or not width > 0:
        what = "image_size and width of VGG-Face"
        raise ConfigError(expected_received(what, "positive numbers", (image_size, width)))
    inputs = keras.Input((image_size, image_size, 3), name="image")
    x, place = inputs, 0
    for block, (convolutions, channels) in enumerate(BLOCKS, start=1):
        for i in range(1, convolutions + 1):
            x = Conv2D(
                max(1, round(channels * width)),
                3,
                padding="same",
                activation="relu",
                kernel_initializer=keras.initializers.HeNormal(seed=derived_seed(seed, place)),
                name=f"conv{block}_{i}",
            )(x)
            place += 1
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"pool{block}")(x)
    model = keras.Model(inputs, x, name=name)
    if weights is None:
        log.info("VGG-Face without weights of its own: He initialisation, seed %s", seed)
    else:
        load_vggface_weights(model, weights)
    return model
