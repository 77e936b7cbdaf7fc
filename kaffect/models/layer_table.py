"""A built network as the rows of a layer table, as the paper prints Tables V-VIII."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from kaffect.models.normalization import FusedBatchNormalization

_PLAIN = {
    FusedBatchNormalization: "batch normalization",
    keras.layers.BatchNormalization: "batch normalization",
    keras.layers.ReLU: "relu",
    keras.layers.LeakyReLU: "leaky relu",
    keras.layers.Dropout: "dropout",
}


@dataclass(frozen=True)
class LayerRow:
    """One line: the paper's columns, and the output's shape without the batch."""

    layer: str
    filter: str = ""
    stride: str = ""
    padding: str = ""
    units: str = ""
    output: tuple[int, ...] = ()


def layer_table(model: keras.Model) -> list[LayerRow]:
    """The layers of a GAN network in order; inputs and reshapes have no row of their own.

    Filters are [height, width, input channels, output channels], also for transposed
    convolutions (whose kernels are stored the other way round).
    """
    rows: list[LayerRow] = []
    counts: dict[str, int] = {}
    for layer in model.layers:
        row = _row(layer, counts)
        if row is not None:
            rows.append(row)
    return rows


def _row(layer: keras.layers.Layer, counts: dict[str, int]) -> LayerRow | None:
    if isinstance(layer, (keras.layers.InputLayer, keras.layers.Reshape, keras.layers.Flatten)):
        return None
    output = tuple(layer.output.shape[1:])
    if isinstance(layer, keras.layers.Dense):
        return LayerRow("fully connected", units=str(layer.units), output=output)
    transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    if transposed or isinstance(layer, keras.layers.Conv2D):
        name = "conv2d transpose" if transposed else "conv2d"
        counts[name] = counts.get(name, 0) + 1
        height, width, first, second = layer.kernel.shape
        channels = (second, first) if transposed else (first, second)
        return LayerRow(
            f"{name} {counts[name]}",
            filter=str([height, width, *channels]),
            stride=str([1, *layer.strides, 1]),
            padding=f"'{layer.padding.upper()}'",
            output=output,
        )
    if isinstance(layer, keras.layers.Activation):
        return LayerRow(layer.activation.__name__, output=output)
    for kind, name in _PLAIN.items():
        if isinstance(layer, kind):
            return LayerRow(name, output=output)
    return LayerRow(layer.name, output=output)
