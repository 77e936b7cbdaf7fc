"""MobileNetV2 of `keras.applications` as a backbone (another architecture for the second study).

Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks". The layers and how
they are joined are Keras' own; initial weights come from a seed, and normalisations are those of
our other networks, whose statistics are of the whole batch on several devices too.
"""

from __future__ import annotations

from typing import Any

import keras

from kaffect.errors import ConfigError, expected_received
from kaffect.models.dtypes import full_precision
from kaffect.models.initialisers import derived_seed
from kaffect.models.normalization import FusedBatchNormalization

_SMALLEST = 32
_NORMALISATION = ("name", "dtype", "momentum", "epsilon", "center", "scale")


def mobilenet_v2(
    image_size: int = 112,
    width: float = 1.0,
    weights: None = None,
    seed: int | None = None,
    name: str = "mobilenet_v2",
) -> keras.Model:
    """A backbone of `kaffect.models.BACKBONES`.

    Args:
        image_size: side of the square input in pixels, 32 or more.
        width: scales the numbers of channels, in steps of 8 (Keras' alpha).
        weights: none can be read.
        seed: of the initial weights (He initialisation).
        name: of the model.

    Returns:
        [batch, image_size, image_size, 3] -> [batch, 1280] after global average pooling, in [0, 6];
        more channels where `width` is above 1. What scale the input has is the caller's choice.

    Raises:
        ConfigError: a setting that is not accepted.
    """
    if int(image_size) != image_size or image_size < _SMALLEST or not width > 0:
        what = "image_size and width of MobileNetV2"
        accepted = f"{_SMALLEST} or more, and a positive number"
        raise ConfigError(expected_received(what, accepted, (image_size, width)))
    if weights is not None:
        raise ConfigError(expected_received("Weights of MobileNetV2", "None", weights))
    keras_model = keras.applications.MobileNetV2(
        (image_size, image_size, 3), alpha=width, include_top=False, weights=None
    )
    images = keras.Input((image_size, image_size, 3), name="image")
    places = {layer.name: place for place, layer in enumerate(keras_model.layers)}

    def ours(layer: keras.layers.Layer) -> keras.layers.Layer:
        return _seeded(layer, derived_seed(seed, places[layer.name]))

    copy = keras.models.clone_model(
        keras_model, input_tensors=images, clone_function=ours, call_function=_called
    )
    pool = keras.layers.GlobalAveragePooling2D(name="avgpool", dtype=full_precision())
    return keras.Model(images, pool(copy.outputs[0]), name=name)


def _seeded(layer: keras.layers.Layer, seed: int | None) -> keras.layers.Layer:
    """A new `layer`, its weights from `seed`; our normalisation in the place of Keras'."""
    settings: dict[str, Any] = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization):
        return FusedBatchNormalization(**{key: settings[key] for key in _NORMALISATION})
    # He et al. 2015; of a depthwise kernel [h, w, channels, 1] each output sees h * w values.
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        area = settings["kernel_size"][0] * settings["kernel_size"][1]
        deviation = (2.0 / area) ** 0.5
        settings["depthwise_initializer"] = keras.initializers.RandomNormal(0, deviation, seed)
    elif isinstance(layer, keras.layers.Conv2D):
        settings["kernel_initializer"] = keras.initializers.HeNormal(seed)
    return type(layer).from_config(settings)


def _called(layer: keras.layers.Layer, *inputs: Any, **_: Any) -> Any:
    """Without the masks with which Keras calls its normalisation."""
    return layer(*inputs)
