"""The networks of the paper (Section IV): built by functions, as functional Keras models."""

from __future__ import annotations

from kaffect.models.affwildnet import (
    frame_classifier,
    frame_encoder,
    join,
    sequence_head,
    vggface_gru_attention,
)
from kaffect.models.preprocessing import ImagePreprocessing
from kaffect.models.vggface import vggface_features
from kaffect.models.vggface_weights import download_vggface_weights, load_vggface_weights

__all__ = [
    "ImagePreprocessing",
    "download_vggface_weights",
    "frame_classifier",
    "frame_encoder",
    "join",
    "load_vggface_weights",
    "sequence_head",
    "vggface_features",
    "vggface_gru_attention",
]
