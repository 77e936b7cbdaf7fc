"""The multi-task network of Figure 5: VGG-Face, GRU with attention, 2 + 7 outputs (Section IV-B).

Built from two parts, so that the CNN can be frozen and its features kept: `frame_encoder` (images
to 4096 values) and `sequence_head` (these values over time to the outputs).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.attention_gru import AttentionGRU
from kaffect.models.backbones import backbone_builder
from kaffect.models.biased import Dense
from kaffect.models.dropout import Dropout
from kaffect.models.dtypes import full_precision
from kaffect.models.initial_weights import fill_encoder
from kaffect.models.initialisers import derived_seed
from kaffect.models.mirrored import MeanOfMirrored, WithMirror
from kaffect.models.preprocessing import MODES, ImagePreprocessing
from kaffect.models.time_axis import FoldTime, UnfoldTime

# Places in the network of the seeds derived from its seed.
_FC6, _DROPOUT, _RECURRENCE, _HEADS, _CNN = 100, 101, 102, 110, 120


def frame_encoder(
    image_size: int = 96,
    width: float = 1.0,
    fc_units: int = 4096,
    preprocessing: str | None = None,
    weights: str | Path | None = None,
    seed: int | None = None,
    name: str = "frame_encoder",
    backbone: str = "vggface",
) -> keras.Model:
    """Images to features: VGG-Face, flatten (4608 values for 96 pixels), FC 4096 with ReLU.

    Args:
        image_size, width: of the backbone, as in `vggface_features`.
        weights: of VGG-Face a keras-vggface `notop` file or a checkpoint of AffWildNet (see
            `fill_encoder`), else what the backbone takes. Layers that it does not fill have He
            initialisation.
        fc_units: units of the fully connected layer (paper's network: 4096).
        preprocessing: `None`: the images come as floats in [-1, 1], RGB. "paper" or "vggface": they
            come as uint8 RGB and are normalised in the network (`ImagePreprocessing`).
        seed: of the initial weights.
        name: of the model.
        backbone: a name of `BACKBONES`; the paper's is "vggface".

    Returns:
        [batch, image_size, image_size, 3], floats in [-1, 1] (uint8 with `preprocessing`) ->
        [batch, fc_units], >= 0, before dropout.

    Raises:
        ConfigError: a setting that is not accepted.
        ArtifactError: `weights` is not a file of weights of that backbone.
    """
    convolutions = backbone_builder(backbone)
    inputs = _images((image_size, image_size, 3), preprocessing)
    x = inputs
    if preprocessing is not None:
        x = ImagePreprocessing(preprocessing, name="preprocessing")(x)
    published = weights if backbone == "vggface" else None
    x = convolutions(
        image_size=image_size,
        width=width,
        weights=weights if published is None else None,
        seed=derived_seed(seed, _CNN),
    )(x)
    x = keras.layers.Flatten(name="flatten")(x)
    start = keras.initializers.HeNormal(seed=derived_seed(seed, _FC6))
    x = Dense(fc_units, activation="relu", kernel_initializer=start, name="fc6")(x)
    model = keras.Model(inputs, x, name=name)
    if published is not None:
        fill_encoder(model, published)
    return model


def _images(shape: tuple[int | None, ...], preprocessing: str | None) -> Any:
    if preprocessing is not None and preprocessing not in MODES:
        what = "Unknown preprocessing of images"
        raise ConfigError(expected_received(what, (*MODES, "None"), preprocessing))
    return keras.Input(shape, dtype="uint8" if preprocessing else "float32", name="images")


def _heads(x: Any, sizes: dict[str, int], seed: int | None) -> dict[str, Any]:
    """One linear layer for each output; float32 under every policy, for the losses' sake."""
    if not any(sizes.values()):
        raise ConfigError(f"a network needs at least one output; all of {sorted(sizes)} are off")
    outputs = {}
    for place, (name, units) in enumerate(sizes.items()):
        if units < 0:
            raise ConfigError(expected_received(f"number of {name}", "0 or more", units))
        start = keras.initializers.GlorotUniform(seed=derived_seed(seed, _HEADS, place))
        if units:
            layer = keras.layers.Dense(
                units, kernel_initializer=start, dtype=full_precision(), name=name
            )
            outputs[name] = layer(x)
    return outputs


def sequence_head(
    sequence_length: int | None = 80,
    features: int = 4096,
    expressions: int = 7,
    valence_arousal: bool = True,
    implementation: str = "fused",
    dropout: float = 0.5,
    gru_units: Sequence[int] = (128, 128),
    attention_length: int = 32,
    mask_zero_slots: bool = False,
    jit_compile: bool = False,
    seed: int | None = None,
    name: str = "sequence_head",
) -> keras.Model:
    """Features of consecutive frames to outputs: dropout, `AttentionGRU`, one linear layer a task.

    Args:
        sequence_length: frames of a sequence (paper: 80); `None` for any.
        features: values of a frame.
        expressions: classes (0: no such output).
        valence_arousal: whether to have that output.
        implementation, attention_length, mask_zero_slots, jit_compile: of `AttentionGRU`.
        dropout: share of features dropped in training (of FC 4096).
        gru_units: units of each GRU layer.
        seed: of the initial weights and of the dropout.
        name: of the model.

    Returns:
        [batch, time, features] -> dict of float32: `valence_arousal` [batch, time, 2] (linear; the
        labels lie in [-1, 1]) and `expression_logits` [batch, time, expressions].
    """
    inputs = keras.Input((sequence_length, features), name="features")
    x = Dropout(dropout, seed=derived_seed(seed, _DROPOUT), name="fc6_dropout")(inputs)
    x = AttentionGRU(
        gru_units,
        attention_length,
        implementation,
        mask_zero_slots,
        jit_compile,
        seed=derived_seed(seed, _RECURRENCE),
        name="attention_gru",
    )(x)
    sizes = {"valence_arousal": 2 * bool(valence_arousal), "expression_logits": expressions}
    return keras.Model(inputs, _heads(x, sizes, seed), name=name)


def frame_classifier(
    encoder: keras.Model,
    valence_arousal: bool = True,
    expressions: int = 7,
    action_units: int = 8,
    dropout: float = 0.5,
    seed: int | None = None,
    name: str = "frame_classifier",
    mirrored: bool = False,
) -> keras.Model:
    """Single images to outputs: trains the CNN before the recurrence (not in the paper).

    Args:
        encoder: from `frame_encoder`; shared, not copied.
        valence_arousal, expressions, action_units: outputs; 0 or `False` leaves one out.
        dropout: share of the encoder's features dropped in training.
        seed: of the initial weights and of the dropout.
        name: of the model.
        mirrored: in inference, answer with the mean of the picture's and its mirror image's.

    Returns:
        images -> dict of float32: `valence_arousal` [batch, 2], `expression_logits` [batch,
        expressions], `action_unit_logits` [batch, action_units].
    """
    inputs = keras.Input(encoder.input_shape[1:], dtype=encoder.inputs[0].dtype, name="images")
    x = encoder(WithMirror(name="with_mirror")(inputs) if mirrored else inputs)
    x = Dropout(dropout, seed=derived_seed(seed, _DROPOUT), name="fc6_dropout")(x)
    sizes = {
        "valence_arousal": 2 * bool(valence_arousal),
        "expression_logits": expressions,
        "action_unit_logits": action_units,
    }
    answers = _heads(x, sizes, seed)
    if mirrored:
        answers = {
            key: MeanOfMirrored(name=f"{key}_of_both", dtype="float32")(value)
            for key, value in answers.items()
        }
    return keras.Model(inputs, answers, name=name)


def vggface_gru_attention(
    sequence_length: int | None = 80,
    expressions: int = 7,
    implementation: str = "fused",
    image_size: int = 96,
    width: float = 1.0,
    fc_units: int = 4096,
    dropout: float = 0.5,
    gru_units: Sequence[int] = (128, 128),
    attention_length: int = 32,
    valence_arousal: bool = True,
    mask_zero_slots: bool = False,
    jit_compile: bool = False,
    preprocessing: str | None = None,
    weights: str | Path | None = None,
    seed: int | None = None,
    name: str = "vggface_gru_attention",
    backbone: str = "vggface",
) -> keras.Model:
    """The network of Figure 5, from images to valence, arousal and expressions.

    `model.get_layer("frame_encoder")` and `model.get_layer("sequence_head")` are its parts; "CNN
    fixed" (Section IV-C.2) is `model.get_layer("frame_encoder").trainable = False`.

    Args: as of `frame_encoder` and `sequence_head`.

    Returns:
        [batch, sequence_length, image_size, image_size, 3], floats in [-1, 1] (uint8 with
        `preprocessing`) -> dict of float32: `valence_arousal` [batch, time, 2], linear, and
        `expression_logits` [batch, time, expressions].

    Raises:
        ConfigError: a setting that is not accepted, or `weights` that are no such file.
        ArtifactError: `weights` do not fit, or are damaged.
    """
    encoder = frame_encoder(
        image_size, width, fc_units, preprocessing, weights, seed, backbone=backbone
    )
    head = sequence_head(
        sequence_length,
        fc_units,
        expressions,
        valence_arousal,
        implementation,
        dropout,
        gru_units,
        attention_length,
        mask_zero_slots,
        jit_compile,
        seed,
    )
    return join(encoder, head, sequence_length, name)


def join(
    encoder: keras.Model,
    head: keras.Model,
    sequence_length: int | None = 80,
    name: str = "vggface_gru_attention",
) -> keras.Model:
    """The whole network from its two parts, whose weights it shares.

    Args:
        encoder: from `frame_encoder`, [n, image_size, image_size, 3] -> [n, features].
        head: from `sequence_head`, [batch, time, features] -> dict of [batch, time, ...].
        sequence_length: frames of a sequence; `None` for any.
        name: of the model.

    Returns:
        [batch, time, image_size, image_size, 3] -> the head's outputs.
    """
    shape, dtype = encoder.input_shape[1:], encoder.inputs[0].dtype
    inputs = keras.Input((sequence_length, *shape), dtype=dtype, name="images")
    frames = encoder(FoldTime(name="frames")(inputs))
    features = UnfoldTime(name="features")([frames, inputs])
    return keras.Model(inputs, head(features), name=name)
