"""The networks of the second study: ResNet-18 and a linear layer for each task, frame by frame.

A network of one task is that of several with the other outputs left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.affwildnet import frame_classifier
from kaffect.models.backbones import backbone_builder
from kaffect.models.initialisers import derived_seed
from kaffect.models.preprocessing import MODES, ImagePreprocessing

# Places in the network of the seeds derived from its seed.
_BACKBONE, _HEADS = 130, 131


def affect_resnet18(
    image_size: int = 112,
    valence_arousal: bool = True,
    expressions: int = 8,
    action_units: int = 12,
    extra_normalization: bool = False,
    stem: str = "imagenet",
    width: float = 1.0,
    dropout: float = 0.0,
    preprocessing: str | None = "imagenet",
    weights: str | Path | None = None,
    seed: int | None = None,
    name: str = "affect_resnet18",
) -> keras.Model:
    """Faces to valence/arousal, expressions and Action Units.

    `model.get_layer("encoder")` gives the 512 features; the heads are layers of the outputs' names.

    Args:
        image_size, extra_normalization, stem, width, weights: of `resnet18`.
        valence_arousal, expressions, action_units: outputs; 0 or `False` leaves one out.
        dropout: share of the features dropped in training.
        preprocessing: a mode of `ImagePreprocessing`, images come as uint8 then; `None`: as floats
            that are scaled already.
        seed: of the initial weights and of the dropout.
        name: of the model.

    Returns:
        [batch, image_size, image_size, 3] -> dict of float32: `valence_arousal` [batch, 2], linear;
        `expression_logits` [batch, expressions]; `action_unit_logits` [batch, action_units].

    Raises:
        ConfigError: a setting that is not accepted, or no output at all.
        ArtifactError: `weights` is not a file of ResNet-18 weights.
    """
    return affect_network(
        "resnet18",
        image_size,
        valence_arousal,
        expressions,
        action_units,
        width,
        dropout,
        preprocessing,
        weights,
        seed,
        name,
        extra_normalization=extra_normalization,
        stem=stem,
    )


def affect_network(
    backbone: str = "resnet18",
    image_size: int = 112,
    valence_arousal: bool = True,
    expressions: int = 8,
    action_units: int = 12,
    width: float = 1.0,
    dropout: float = 0.0,
    preprocessing: str | None = "imagenet",
    weights: str | Path | None = None,
    seed: int | None = None,
    name: str = "affect_network",
    mirrored: bool = False,
    **options: Any,
) -> keras.Model:
    """`affect_resnet18` with any backbone; its features are flattened where they are maps.

    Args:
        backbone: a name of `BACKBONES`.
        image_size, width, weights: of the backbone.
        valence_arousal, expressions, action_units, dropout, preprocessing, seed, name: as in
            `affect_resnet18`.
        mirrored: as in `frame_classifier`.
        options: further arguments of the backbone.

    Returns:
        [batch, image_size, image_size, 3] -> dict of float32, as `affect_resnet18`.

    Raises:
        ConfigError: a setting that is not accepted, or no output at all.
        ArtifactError: `weights` is not a file of weights of that backbone.
    """
    build = backbone_builder(backbone)
    if preprocessing is not None and preprocessing not in MODES:
        what = "Unknown preprocessing of images"
        raise ConfigError(expected_received(what, (*MODES, "None"), preprocessing))
    dtype = "uint8" if preprocessing else "float32"
    images = keras.Input((image_size, image_size, 3), dtype=dtype, name="images")
    x = images if preprocessing is None else ImagePreprocessing(preprocessing)(images)
    place = derived_seed(seed, _BACKBONE)
    shared = {"image_size": image_size, "width": width, "weights": weights, "seed": place}
    x = build(**shared, **options)(x)
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name="flatten")(x)
    return frame_classifier(
        keras.Model(images, x, name="encoder"),
        valence_arousal,
        expressions,
        action_units,
        dropout,
        derived_seed(seed, _HEADS),
        name,
        mirrored,
    )
