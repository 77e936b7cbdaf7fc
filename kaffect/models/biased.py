"""Layers with a bias whose gradient is summed in full precision (mixed precision; Section IV).

Keras adds a bias by TensorFlow's `BiasAdd`. On a processor the gradient of that operation adds up
bfloat16 numbers in bfloat16, which stops growing at a few hundred times their size: of 300,000
values, a first convolution's batch, it lost 93 % of the sum. A plain addition's gradient is summed
in float32 and rounded once. Only training in bfloat16 computes so: `BiasAdd` is exact in the other
types, and in inference it can be fused with the product before it.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kaffect.models.filter_gradient import conv2d, conv2d_transpose


class _ExactBias:
    """Adds the bias of a Keras layer in the way of this file's first lines."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """As the Keras layer's, with `training` for where a gradient follows."""
        layer: Any = self
        if not training or layer.compute_dtype != "bfloat16" or layer.bias is None:
            return super().call(inputs)  # type: ignore[misc]
        outputs = self._product(inputs) + tf.convert_to_tensor(layer.bias)
        return outputs if layer.activation is None else layer.activation(outputs)

    def _product(self, inputs: Any) -> Any:
        raise NotImplementedError


@keras.saving.register_keras_serializable("kaffect")
class Dense(_ExactBias, keras.layers.Dense):
    """`keras.layers.Dense`: [batch, ..., channels] -> [batch, ..., units]."""

    def _product(self, inputs: Any) -> Any:
        return keras.ops.matmul(inputs, self.kernel)


@keras.saving.register_keras_serializable("kaffect")
class Conv2D(_ExactBias, keras.layers.Conv2D):
    """`keras.layers.Conv2D`: [batch, height, width, channels] -> [batch, h, w, filters]."""

    def _product(self, inputs: Any) -> Any:
        if _is_plain(self):
            return conv2d(inputs, tf.convert_to_tensor(self.kernel), self.strides[0])
        return self.convolution_op(inputs, self.kernel)


@keras.saving.register_keras_serializable("kaffect")
class Conv2DTranspose(_ExactBias, keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`: [batch, h, w, channels] -> [batch, H, W, filters]."""

    def _product(self, inputs: Any) -> Any:
        if _is_plain(self):
            return conv2d_transpose(inputs, tf.convert_to_tensor(self.kernel), self.strides[0])
        return keras.ops.conv_transpose(
            inputs,
            self.kernel,
            strides=list(self.strides),
            padding=self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )


def _is_plain(layer: Any) -> bool:
    """Whether `kaffect.models.filter_gradient` has this convolution."""
    settings = (layer.padding, layer.groups if hasattr(layer, "groups") else 1)
    same = settings == ("same", 1) and layer.data_format == "channels_last"
    return same and set(layer.dilation_rate) == {1} and len(set(layer.strides)) == 1
