"""The networks of the second study: ResNet-18 and a linear layer for each task, frame by frame.

A network of one task is that of several with the other outputs left out.
"""

from __future__ import annotations

from pathlib import Path

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.affwildnet import frame_classifier
from kaffect.models.initialisers import derived_seed
from kaffect.models.preprocessing import MODES, ImagePreprocessing
from kaffect.models.resnet18 import resnet18

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
    if preprocessing is not None and preprocessing not in MODES:
        what = "Unknown preprocessing of images"
        raise ConfigError(expected_received(what, (*MODES, "None"), preprocessing))
    dtype = "uint8" if preprocessing else "float32"
    images = keras.Input((image_size, image_size, 3), dtype=dtype, name="images")
    x = images if preprocessing is None else ImagePreprocessing(preprocessing)(images)
    place = derived_seed(seed, _BACKBONE)
    x = resnet18(image_size, extra_normalization, stem, width, weights, place)(x)
    return frame_classifier(
        keras.Model(images, x, name="encoder"),
        valence_arousal,
        expressions,
        action_units,
        dropout,
        derived_seed(seed, _HEADS),
        name,
    )
