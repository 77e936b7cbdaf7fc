"""The networks of the paper (Section IV): built by functions, as functional Keras models."""

from __future__ import annotations

from kaffect.models.affwildnet import (
    frame_classifier,
    frame_encoder,
    join,
    sequence_head,
    vggface_gru_attention,
)
from kaffect.models.affwildnet_import import load_affwildnet
from kaffect.models.backbones import BACKBONES, backbone_builder
from kaffect.models.dcgan96 import dcgan_discriminator, dcgan_generator
from kaffect.models.dtypes import layers_compute_in
from kaffect.models.face_features import face_features, small_cnn
from kaffect.models.framewise import affect_network, affect_resnet18
from kaffect.models.initial_weights import fill_encoder, fill_sequence_head
from kaffect.models.layer_table import LayerRow, layer_table
from kaffect.models.mobilenet import mobilenet_v2
from kaffect.models.normalization import FusedBatchNormalization
from kaffect.models.preprocessing import ImagePreprocessing
from kaffect.models.resnet18 import resnet18
from kaffect.models.ssgan32 import ssgan_discriminator, ssgan_generator
from kaffect.models.torchvision_weights import load_torchvision_weights, torchvision_weights
from kaffect.models.vggface import vggface_features
from kaffect.models.vggface_weights import download_vggface_weights, load_vggface_weights

__all__ = [
    "BACKBONES",
    "FusedBatchNormalization",
    "ImagePreprocessing",
    "LayerRow",
    "affect_network",
    "affect_resnet18",
    "backbone_builder",
    "dcgan_discriminator",
    "dcgan_generator",
    "download_vggface_weights",
    "face_features",
    "fill_encoder",
    "fill_sequence_head",
    "frame_classifier",
    "frame_encoder",
    "join",
    "layer_table",
    "layers_compute_in",
    "load_affwildnet",
    "load_torchvision_weights",
    "load_vggface_weights",
    "mobilenet_v2",
    "resnet18",
    "sequence_head",
    "small_cnn",
    "ssgan_discriminator",
    "ssgan_generator",
    "torchvision_weights",
    "vggface_features",
    "vggface_gru_attention",
]
