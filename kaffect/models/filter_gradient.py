"""Convolutions with a filter gradient of their own (training in bfloat16; not in the paper).

TensorFlow's library computes the filter gradient of some convolutions slowly in bfloat16: where
channels are many, one matrix product for each tap of the filter takes down to two fifths of the
time. `filter_gradients.json` says for which sizes, as
`scripts/measure_filter_gradients.py` found them on each kind of processor. The products sum in
float32 and round once, like the library. Everything else is the library's.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from kaffect.models.recurrence_forward import Tensor
from kaffect.processor import processor_flags, processor_kind

TABLE = Path(__file__).with_name("filter_gradients.json")


def conv2d(inputs: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """`tf.nn.conv2d` with "SAME" padding, for training.

    Args:
        inputs: [batch, height, width, channels], unbounded.
        kernel: [k, k, channels, filters], unbounded.
        stride: in both directions.

    Returns:
        [batch, ceil(height / stride), ceil(width / stride), filters].
    """
    height, width = inputs.shape[1:3]
    small = None if height is None else -(-int(height) // stride)
    if height != width or not _pays_here(inputs.dtype, kernel, stride, small):
        return tf.nn.conv2d(inputs, kernel, stride, "SAME")

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolution(x: Tensor, w: Tensor) -> Any:
        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
            back = tf.nn.conv2d_transpose(upstream, w, tf.shape(x), stride, "SAME")
            return back, filter_gradient(x, upstream, w.shape[0], stride)

        return tf.nn.conv2d(x, w, stride, "SAME"), gradient

    return convolution(inputs, kernel)


def conv2d_transpose(inputs: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """`tf.nn.conv2d_transpose` with "SAME" padding, for training.

    Args:
        inputs: [batch, height, width, channels], unbounded.
        kernel: [k, k, filters, channels], unbounded.
        stride: in both directions.

    Returns:
        [batch, height * stride, width * stride, filters].
    """
    height, width = (int(n) * stride for n in inputs.shape[1:3])

    def enlarged(x: Tensor, w: Tensor) -> Tensor:
        shape = [tf.shape(x)[0], height, width, w.shape[2]]
        return tf.nn.conv2d_transpose(x, w, shape, stride, "SAME")

    if height != width or not _pays_here(inputs.dtype, kernel, stride, height // stride):
        return enlarged(inputs, kernel)

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolution(x: Tensor, w: Tensor) -> Any:
        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
            back = tf.nn.conv2d(upstream, w, stride, "SAME")
            return back, filter_gradient(upstream, x, w.shape[0], stride)

        return enlarged(x, w), gradient

    return convolution(inputs, kernel)


def filter_gradient(large: Tensor, small: Tensor, size: int, stride: int) -> Tensor:
    """Gradient of a sum over the filter of a "SAME" convolution, one product for each tap.

    Args:
        large: input of the convolution, [batch, height, width, channels], unbounded.
        small: gradient over its output, [batch, ceil(height / stride), ..., filters], unbounded.
        size: taps of the filter along one axis.
        stride: in both directions.

    Returns:
        [size, size, channels, filters].
    """
    rows, columns = small.shape[1:3]
    channels, filters = large.shape[-1], small.shape[-1]
    phases = _phases(large, (rows, columns), size, stride)
    flat = tf.reshape(tf.transpose(small, (1, 2, 0, 3)), (-1, filters))
    height = phases.shape[2]
    taps: dict[tuple[int, int], Tensor] = {}
    for column in range(size):
        first = (0, 0, column // stride, 0, 0)
        seen = tf.slice(phases[column % stride], first, (stride, height, columns, -1, channels))
        seen = tf.reshape(seen, (stride * height, -1))
        for row in range(size):
            # Rows are the outermost axis: this slice is no copy.
            start = (row % stride) * height + row // stride
            factor = tf.reshape(tf.slice(seen, (start, 0), (rows, -1)), (-1, channels))
            taps[row, column] = tf.matmul(factor, flat, transpose_a=True)
    ordered = [taps[row, column] for row in range(size) for column in range(size)]
    return tf.reshape(tf.stack(ordered), (size, size, channels, filters))


def _phases(large: Tensor, small: tuple[int, int], size: int, stride: int) -> Tensor:
    """`large`, padded, in its `stride` x `stride` phases; pixels come before the batch.

    Args:
        small: height and width of the smaller image.

    Returns:
        [stride, stride, h, w, batch, channels], the phases of columns first, with all pixels that
        a tap sees: h and w are those of `small` and (size - 1) // stride more.
    """
    padding, sides = [(0, 0)], []
    for length, count in zip(large.shape[1:3], small, strict=True):
        missing = max((count - 1) * stride + size - length, 0)
        side = count + (size - 1) // stride
        padding.append((missing // 2, max(side * stride - length - missing // 2, 0)))
        sides.append(side)
    padded = tf.pad(large, [*padding, (0, 0)])
    height, width = sides
    padded = padded[:, : height * stride, : width * stride]
    shape = (-1, height, stride, width, stride, large.shape[-1])
    return tf.transpose(tf.reshape(padded, shape), (4, 2, 1, 3, 0, 5))


def pays(
    table: Mapping[str, Any], processor: str, *, size: int, stride: int, side: int, channels: int
) -> bool:
    """Whether the products were measured to be faster than the library in bfloat16.

    Args:
        table: what `filter_gradients.json` holds: kind of processor -> rows.
        processor: its kind, see `processor_kind`; an unknown one takes the library's way.
        size, stride: of the filter; side: of the smaller image, in pixels.
        channels: the fewer of input and output.
    """
    largest = {
        row["channels"]: row["largest_side"]
        for row in table.get(processor, ())
        if (row["size"], row["stride"]) == (size, stride) and row["channels"] <= channels
    }
    return bool(largest) and side <= largest[max(largest)]


@functools.cache
def measured() -> Mapping[str, Any]:
    """What `filter_gradients.json` holds."""
    table: Mapping[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))["processors"]
    return table


def _pays_here(dtype: tf.DType, kernel: Tensor, stride: int, side: int | None) -> bool:
    if dtype != tf.bfloat16 or side is None or tf.config.list_logical_devices("GPU"):
        return False
    size, other, *channels = (int(n) for n in kernel.shape)
    return size == other and pays(
        measured(),
        processor_kind(processor_flags()),
        size=size,
        stride=stride,
        side=side,
        channels=min(channels),
    )
