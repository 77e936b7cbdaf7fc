"""The networks that a configuration describes (Section IV-B): CNN, sequence network, or both."""

from __future__ import annotations

from typing import Any

import keras

from kaffect.config.recognition import RecognitionConfig
from kaffect.labels import LabelSpace
from kaffect.models import (
    fill_sequence_head,
    frame_encoder,
    layers_compute_in,
    sequence_head,
    vggface_gru_attention,
)
from kaffect.training.determinism import derived_seed
from kaffect.training.precision import precision_here


def build_encoder(config: RecognitionConfig, *, policy: str | None = None) -> keras.Model:
    """VGG-Face convolutions and FC, uint8 frames in, features out; normalisation inside.

    Args:
        policy: dtype policy to compute in; None: the configuration's precision.
    """
    with layers_compute_in(policy or precision_here(config.train.precision)):
        return frame_encoder(
            image_size=config.data.image_size,
            width=config.model.width,
            fc_units=config.model.fc_units,
            preprocessing=config.model.preprocessing,
            weights=config.model.weights,
            seed=derived_seed(config.train.seed, "cnn"),
        )


def build_network(
    config: RecognitionConfig,
    space: LabelSpace,
    encoder: keras.Model | None = None,
    *,
    any_length: bool = False,
    policy: str | None = None,
) -> keras.Model:
    """The trained part: RNN, attention and outputs on features, or everything end to end.

    Args:
        encoder: whose weights an end-to-end network starts from.
        any_length: for sequences of any length instead of the configured one.
        policy: dtype policy to compute in; None: the configuration's precision.
    """
    model, data = config.model, config.data
    length = None if any_length else data.sequence_length
    shared: dict[str, Any] = {
        "expressions": len(space.expressions),
        "implementation": model.implementation,
        "dropout": model.dropout,
        "gru_units": model.gru_units,
        "attention_length": model.attention_length,
        "mask_zero_slots": model.mask_zero_slots,
        "jit_compile": model.jit_compile and model.implementation == "fused",
        "seed": derived_seed(config.train.seed, "sequence network"),
    }
    with layers_compute_in(policy or precision_here(config.train.precision)):
        if config.train.cnn == "fixed":
            network = head = sequence_head(length, features=model.fc_units, **shared)
        else:
            network = vggface_gru_attention(
                length,
                image_size=data.image_size,
                width=model.width,
                fc_units=model.fc_units,
                preprocessing=model.preprocessing,
                weights=model.weights,
                **shared,
            )
            head = network.get_layer("sequence_head")
    if model.start == "all" and model.weights is not None:
        fill_sequence_head(head, model.weights)
    if encoder is not None and config.train.cnn != "fixed":
        network.get_layer("frame_encoder").set_weights(encoder.get_weights())
    return network
