"""The stride-2 layers of configuration 2 (Tables VII, VIII), trained the faster way on a CPU.

Where images are small and channels many, the tiles of `kaffect.models.winograd` take
about half the time of the direct sums. Only training in float32 on a CPU computes so:
inference, exports and GPUs keep the plain convolution, from which the tiles differ by
rounding.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.models.biased import Conv2D, Conv2DTranspose
from kaffect.models.winograd import strided_conv2d, strided_conv2d_transpose

# Measured with scripts/benchmark.py gan: above these sizes the direct sums are as fast.
LARGEST_SIDE = 12  # of the smaller of the two images
FEWEST_CHANNELS = 128  # of the smaller of input and output
TILES = (4, 3)


def tile_of(side: int, channels: int, kernel: int, dtype: str) -> int:
    """Outputs of a tile along one axis in training; 0 where the direct sums are taken.

    Args:
        side: of the smaller of the layer's two images, in pixels.
        channels: the fewer of its input's and output's.
        kernel: taps of its filter along one axis.
        dtype: that it computes in.
    """
    small = side <= LARGEST_SIDE and channels >= FEWEST_CHANNELS and kernel % 2 == 1
    if not small or dtype != "float32" or tf.config.list_logical_devices("GPU"):
        return 0
    # The largest tile of which a whole number fills the image.
    return next((tile for tile in TILES if side % tile == 0), 0)


class _Strided:
    """What both layers share: they are what `keras.layers` makes of these arguments."""

    def __init__(
        self, filters: int, kernel_size: Any, strides: Any = 2, padding: str = "same", **others: Any
    ) -> None:
        # Keras writes the stride as a pair, and reads its own description again.
        if strides not in (2, (2, 2), [2, 2]) or padding != "same":
            raise ConfigError(
                expected_received("Stride and padding", "2 and 'same'", (strides, padding))
            )
        settings = {"strides": 2, "padding": "same", **others}
        super().__init__(filters, kernel_size, **settings)  # type: ignore[call-arg]

    def _tile(self, side: int, inputs: Any, training: bool | None) -> int:
        layer: Any = self
        plain = layer.activation is keras.activations.linear and layer.use_bias
        if not training or not plain or len(set(layer.kernel_size)) > 1:
            return 0
        channels = min(inputs.shape[-1], layer.filters)
        return tile_of(side, channels, layer.kernel_size[0], layer.compute_dtype)


@keras.saving.register_keras_serializable("kaffect")
class StridedConv2D(_Strided, Conv2D):
    """`keras.layers.Conv2D` with stride 2 and 'same' padding; see the file's first lines.

    Input: [batch, 2h, 2w, channels]; output: [batch, h, w, filters].

    Raises:
        ConfigError: another stride or padding.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        tile = self._tile(inputs.shape[1] // 2, inputs, training)
        if not tile:
            return super().call(inputs, training=training)
        return strided_conv2d(inputs, tf.convert_to_tensor(self.kernel), tile) + self.bias


@keras.saving.register_keras_serializable("kaffect")
class StridedConv2DTranspose(_Strided, Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with stride 2 and 'same' padding, likewise.

    Input: [batch, h, w, channels]; output: [batch, 2h, 2w, filters].

    Raises:
        ConfigError: another stride or padding.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        tile = self._tile(inputs.shape[1], inputs, training)
        if not tile:
            return super().call(inputs, training=training)
        return strided_conv2d_transpose(inputs, tf.convert_to_tensor(self.kernel), tile) + self.bias
