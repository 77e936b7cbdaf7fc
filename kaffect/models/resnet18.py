"""ResNet-18 (He et al. 2016), the network of the second study: every task of it uses this one.

Names, shapes and arithmetic are torchvision's, so that `torchvision_weights` reads its files. The
study adds batch normalisation layers "after convolutional layers" (its section 1.9), which the
network has already; `extra_normalization` builds that variant.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.models.dtypes import full_precision
from kaffect.models.filter_gradient import conv2d
from kaffect.models.gan_layers import scaled_channels
from kaffect.models.initialisers import derived_seed
from kaffect.models.normalization import FusedBatchNormalization
from kaffect.models.recurrence_forward import Tensor
from kaffect.models.torchvision_weights import load_torchvision_weights

CHANNELS = (64, 128, 256, 512)
BLOCKS = 2  # basic blocks in each of the four stages
STEMS = ("imagenet", "no_pool", "small")

# With fewer input channels oneDNN's filter gradient of a 1x1 convolution of stride 2 (the way
# around a block) writes beyond its memory when the batch is odd, and the process ends. With every
# second pixel picked before the convolution the same sums need no stride.
_FEWEST_CHANNELS = 16

# PyTorch's defaults: a tenth of each batch goes into the moving statistics.
_MOMENTUM, _EPSILON = 0.9, 1e-5


@keras.saving.register_keras_serializable("kaffect")
class SymmetricConv2D(keras.layers.Layer):
    """Convolution without bias, with `kernel_size // 2` zeros on every side.

    At stride 2, "same" of TensorFlow pads one side more than the other; PyTorch does not.

    Args:
        filters: channels of the output.
        kernel_size: an odd number.
        strides: in both directions.
        kernel_initializer: of the weights [kernel, kernel, channels, filters].

    Input: [batch, height, width, channels], unbounded.
    Output: [batch, ceil(height / strides), ceil(width / strides), filters].
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        kernel_initializer: Any = "he_normal",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
        )

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        side = self.kernel_size // 2
        kernel = tf.convert_to_tensor(self.kernel)
        if training and self.strides == 1:
            return conv2d(inputs, kernel, 1)
        if training and side == 0 and inputs.shape[-1] < _FEWEST_CHANNELS:
            picked = inputs[:, :: self.strides, :: self.strides]
            return tf.nn.conv2d(picked, kernel, 1, "SAME")
        if self.strides == 1 or side == 0:
            return tf.nn.conv2d(inputs, kernel, self.strides, "SAME")  # the same zeros, or none
        # Padding given to the convolution itself made its gradient seven times as slow.
        padded = tf.pad(inputs, [[0, 0], [side, side], [side, side], [0, 0]])
        return tf.nn.conv2d(padded, kernel, self.strides, "VALID")

    def compute_output_shape(self, input_shape: Any) -> Any:
        sides = (None if n is None else -(-n // self.strides) for n in input_shape[1:3])
        return (input_shape[0], *sides, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@dataclass
class _Builder:
    """Adds layers under torchvision's names; the n-th convolution has the n-th seed."""

    width: float
    extra_normalization: bool
    seed: int | None
    convolutions: int = 0

    def conv_norm(
        self, x: Any, channels: int, kernel: int, stride: int, name: str, norm: str
    ) -> Any:
        # He initialisation over the outputs, as torchvision's ("fan_out").
        start = keras.initializers.VarianceScaling(
            2.0, "fan_out", "untruncated_normal", seed=derived_seed(self.seed, self.convolutions)
        )
        self.convolutions += 1
        filters = scaled_channels(channels, self.width)
        x = SymmetricConv2D(filters, kernel, stride, start, name=name)(x)
        if self.extra_normalization:
            x = FusedBatchNormalization(_MOMENTUM, _EPSILON, name=f"{name}.extra")(x)
        return FusedBatchNormalization(_MOMENTUM, _EPSILON, name=norm)(x)

    def block(self, x: Any, channels: int, stride: int, name: str) -> Any:
        """Two 3x3 convolutions and the way around them."""
        shortcut = x
        y = self.conv_norm(x, channels, 3, stride, f"{name}.conv1", f"{name}.bn1")
        y = keras.layers.ReLU(name=f"{name}.relu1")(y)
        y = self.conv_norm(y, channels, 3, 1, f"{name}.conv2", f"{name}.bn2")
        if stride != 1:
            names = f"{name}.downsample.0", f"{name}.downsample.1"
            shortcut = self.conv_norm(x, channels, 1, stride, *names)
        y = keras.layers.Add(name=f"{name}.add")([y, shortcut])
        return keras.layers.ReLU(name=f"{name}.relu2")(y)

    def stem(self, x: Any, kind: str) -> Any:
        """What comes before the four stages: conv1, bn1 and the pool."""
        kernel, stride = (3, 1) if kind == "small" else (7, 2)
        x = self.conv_norm(x, CHANNELS[0], kernel, stride, "conv1", "bn1")
        x = keras.layers.ReLU(name="relu")(x)
        if kind == "no_pool":
            return x
        # Nothing is below 0 here, so zeros at the border never win.
        x = keras.layers.ZeroPadding2D(1, name="maxpool.pad")(x)
        return keras.layers.MaxPooling2D(3, 2, name="maxpool")(x)


def resnet18(
    image_size: int = 112,
    extra_normalization: bool = False,
    stem: str = "imagenet",
    width: float = 1.0,
    weights: str | Path | None = None,
    seed: int | None = None,
    name: str = "resnet18",
) -> keras.Model:
    """ResNet-18 without its last layer, as a functional model.

    | stage  | layers                         | stride | channels |
    |--------|--------------------------------|--------|----------|
    | stem   | 7x7 convolution, 3x3 max-pool  | 2, 2   | 64       |
    | layer1 | 2 blocks of two 3x3            | 1      | 64       |
    | layer2 | 2 blocks                       | 2      | 128      |
    | layer3 | 2 blocks                       | 2      | 256      |
    | layer4 | 2 blocks                       | 2      | 512      |

    11,176,512 trainable parameters; with a linear layer to 1000 classes 11,689,512.

    Args:
        image_size: side of the square input in pixels (Aff-Wild2's crops: 112).
        extra_normalization: one more batch normalisation behind each convolution (the study's).
        stem: "imagenet" as above; for small pictures "no_pool" leaves the pool out, and "small"
            has a 3x3 convolution of stride 1 before it. Both keep twice the resolution.
        width: scales the number of channels (1 is ResNet-18).
        weights: a file of torchvision weights (.npz or .safetensors); without one, He
            initialisation.
        seed: of the initial weights.
        name: of the model.

    Returns:
        [batch, image_size, image_size, 3] -> [batch, 512] after global average pooling, >= 0. What
        scale the input has is the caller's choice (`ImagePreprocessing`).

    Raises:
        ConfigError: a setting that is not accepted.
        ArtifactError: the weights file is not one of this network.
    """
    if int(image_size) != image_size or image_size < 1 or not width > 0:
        what = "image_size and width of ResNet-18"
        raise ConfigError(expected_received(what, "positive numbers", (image_size, width)))
    if stem not in STEMS:
        raise ConfigError(expected_received("Unknown stem of ResNet-18", STEMS, stem))
    builder = _Builder(width, extra_normalization, seed)
    inputs = keras.Input((image_size, image_size, 3), name="image")
    x = builder.stem(inputs, stem)
    for stage, channels in enumerate(CHANNELS, start=1):
        for block in range(BLOCKS):
            stride = 2 if stage > 1 and block == 0 else 1
            x = builder.block(x, channels, stride, f"layer{stage}.{block}")
    x = keras.layers.GlobalAveragePooling2D(name="avgpool", dtype=full_precision())(x)
    model = keras.Model(inputs, x, name=name)
    if weights is not None:
        load_torchvision_weights(model, weights)
    return model
