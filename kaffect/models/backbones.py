"""The convolutional networks that read a face, by the names that settings use.

VGG-Face is the paper's (Section IV-B), ResNet-18 the second study's, MobileNetV2 what its Table A5
compares that with; the small one is for tests and measurements. A new backbone is its function, a
line here and a case in tests/conformance.
"""

from __future__ import annotations

from collections.abc import Callable

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.face_features import small_cnn
from kaffect.models.mobilenet import mobilenet_v2
from kaffect.models.resnet18 import resnet18
from kaffect.models.vggface import vggface_features

# (image_size=, width=, weights=, seed=) -> model: floats [batch, image_size, image_size, 3], of
# the scale that its weights want, -> features [batch, ...]
BACKBONES: dict[str, Callable[..., keras.Model]] = {
    "vggface": vggface_features,
    "resnet18": resnet18,
    "small": small_cnn,
    "mobilenet_v2": mobilenet_v2,
}


def backbone_builder(name: str) -> Callable[..., keras.Model]:
    """The function that builds the backbone `name`; its arguments are those of `BACKBONES`.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in BACKBONES:
        raise ConfigError(expected_received("Unknown backbone", tuple(BACKBONES), name))
    return BACKBONES[name]
