"""Stride-2 convolutions by minimal filtering: configuration 2 on a CPU (Tables VII, VIII).

The paper's 5x5 and 7x7 filters with stride 2 are many multiplications on small images. A
transposed convolution with stride 2 is four convolutions with stride 1, one for each
parity of row and column (2x2 phases of 3x3 taps for a 5x5 filter); a convolution with
stride 2 is the same, read backwards. Both are computed in tiles: a tile of 3x3 outputs
and 3x3 taps needs 5x5 products instead of 81 (S. Winograd, "Arithmetic complexity of computations",
1980; A. Lavin and S. Gray, arXiv:1509.09308, whose names A, B and G the matrices have).

The result differs from the direct sum by rounding only (about 1e-5 of the largest value).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.polynomial import polynomial
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]
# Where the polynomials are evaluated, besides infinity; small numbers round well.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5)


@cache
def filtering_matrices(outputs: int, taps: int) -> tuple[Matrix, Matrix, Matrix]:
    """A, G, B with: the `outputs` sums over `taps` neighbours of d are A' [(G g) * (B' d)].

    Args:
        outputs: m.
        taps: r. Tiles have n = m + r - 1 inputs; n is at most 7.

    Returns:
        A' [m, n], G [n, r], B' [n, n] in float64.
    """
    size = outputs + taps - 1
    points = _POINTS[: size - 1]
    forward, filters, inputs = np.zeros((outputs, size)), np.zeros((size, taps)), np.eye(size)
    for i, point in enumerate(points):
        others = [other for j, other in enumerate(points) if j != i]
        forward[:, i] = point ** np.arange(outputs)
        filters[i] = point ** np.arange(taps) / np.prod(np.subtract(point, others))
        inputs[i, : size - 1] = polynomial.polyfromroots(others)
    forward[-1, -1] = filters[-1, -1] = 1.0
    inputs[-1] = polynomial.polyfromroots(points)
    return forward, filters, inputs


@dataclass(frozen=True)
class _Phases:
    """A filter of `kernel` taps with stride 2 along one axis, as two filters with stride 1.

    Output 2i + a of a transposed convolution with 'SAME' padding is the sum over s of
    input i + s times tap a - 2s + p, where p is the padding before.
    """

    kernel: int

    @property
    def taps(self) -> int:
        return (self.kernel + 1) // 2

    @property
    def first(self) -> int:
        """Smallest s of the two phases."""
        padding = (self.kernel - 2) // 2
        return min(-((self.kernel - 1 - a - padding) // 2) for a in (0, 1))

    def chosen(self) -> Matrix:
        """[2, taps, kernel]: 1 where a phase's tap is that of the filter."""
        found = np.zeros((2, self.taps, self.kernel))
        for a in (0, 1):
            for place in range(self.taps):
                tap = a - 2 * (place + self.first) + (self.kernel - 2) // 2
                if 0 <= tap < self.kernel:
                    found[a, place, tap] = 1.0
        return found


def _filter_matrix(kernel: int, tile: int, mirrored: bool) -> Matrix:
    """[n * n * 4, kernel * kernel]: a filter to its transformed phases (row, column parity)."""
    phases = _Phases(kernel)
    chosen = phases.chosen()
    if mirrored:
        chosen = chosen[:, ::-1]
    each = np.einsum("nr,ark->nak", filtering_matrices(tile, phases.taps)[1], chosen)
    both = np.einsum("nak,mbl->nmabkl", each, each)
    return both.reshape(-1, kernel * kernel)


def _product(matrix: Matrix, values: tf.Tensor) -> tf.Tensor:
    """`matrix` times the first axis of `values`, whose other axes are one."""
    return tf.linalg.matmul(tf.constant(matrix, values.dtype), values)


def _cut(x: tf.Tensor, axis: int, start: int, length: int) -> tf.Tensor:
    """`length` entries of one axis. The gradient of `tf.slice` is a pad; that of x[...] is slow."""
    begin, size = [0] * x.shape.rank, [-1] * x.shape.rank
    begin[axis], size[axis] = start, length
    return tf.slice(x, begin, size)


def _tiles(x: tf.Tensor, before: int, tile: int, taps: int) -> tf.Tensor:
    """[b, h, w, c], padded in front -> overlapping tiles, transformed: [n * n, b * tiles, c]."""
    batch, (height, width, channels) = tf.shape(x)[0], (int(n) for n in x.shape[1:])
    size = tile + taps - 1
    rows, columns = -(-height // tile), -(-width // tile)
    after = [
        (count + 1) * tile - length - before for count, length in ((rows, height), (columns, width))
    ]
    x = tf.pad(x, ((0, 0), (before, after[0]), (before, after[1]), (0, 0)))
    # A tile ends with the first rows of the next one.
    x = tf.reshape(x, (batch, rows + 1, tile, (columns + 1) * tile, channels))
    x = tf.concat([_cut(x, 1, 0, rows), _cut(_cut(x, 1, 1, rows), 2, 0, taps - 1)], axis=2)
    x = tf.reshape(x, (batch, rows, size, columns + 1, tile, channels))
    x = tf.concat([_cut(x, 3, 0, columns), _cut(_cut(x, 3, 1, columns), 4, 0, taps - 1)], axis=4)
    x = tf.reshape(tf.transpose(x, (2, 4, 0, 1, 3, 5)), (size * size, -1))
    inputs = filtering_matrices(tile, taps)[2]
    return tf.reshape(_product(np.kron(inputs, inputs), x), (size * size, -1, channels))


def strided_conv2d_transpose(x: tf.Tensor, kernel: tf.Tensor, tile: int) -> tf.Tensor:
    """`tf.nn.conv2d_transpose` with stride 2 and 'SAME' padding.

    Args:
        x: [batch, h, w, channels], unbounded.
        kernel: [k, k, filters, channels], k odd.
        tile: outputs of a tile along one axis, 2 to 4, for 7 taps not 2.

    Returns:
        [batch, 2h, 2w, filters].
    """
    size, _, filters, channels = kernel.shape
    phases = _Phases(size)
    height, width = x.shape[1:3]
    rows, columns = -(-height // tile), -(-width // tile)
    cells = filtering_matrices(tile, phases.taps)[0].shape[1] ** 2
    weights = _product(_filter_matrix(size, tile, False), tf.reshape(kernel, (size * size, -1)))
    weights = tf.reshape(weights, (cells, 4 * filters, channels))
    products = tf.linalg.matmul(
        _tiles(x, -phases.first, tile, phases.taps), weights, transpose_b=True
    )
    y = _outputs(products, tile, phases.taps)
    y = tf.reshape(y, (tile, tile, -1, rows, columns, 2, 2, filters))
    y = tf.reshape(
        tf.transpose(y, (2, 3, 0, 5, 4, 1, 6, 7)),
        (-1, 2 * tile * rows, 2 * tile * columns, filters),
    )
    return _cut(_cut(y, 1, 0, 2 * height), 2, 0, 2 * width)


def strided_conv2d(x: tf.Tensor, kernel: tf.Tensor, tile: int) -> tf.Tensor:
    """`tf.nn.conv2d` with stride 2 and 'SAME' padding.

    Args:
        x: [batch, 2h, 2w, channels], unbounded.
        kernel: [k, k, channels, filters], k odd.
        tile: outputs of a tile along one axis, 2 to 4, for 7 taps not 2.

    Returns:
        [batch, h, w, filters].
    """
    size, _, channels, filters = kernel.shape
    phases = _Phases(size)
    height, width = x.shape[1] // 2, x.shape[2] // 2
    rows, columns = -(-height // tile), -(-width // tile)
    cells = filtering_matrices(tile, phases.taps)[0].shape[1] ** 2
    weights = _product(_filter_matrix(size, tile, True), tf.reshape(kernel, (size * size, -1)))
    weights = tf.reshape(weights, (cells, 4 * channels, filters))
    x = tf.nn.space_to_depth(x, 2)
    before = phases.first + phases.taps - 1
    products = tf.linalg.matmul(_tiles(x, before, tile, phases.taps), weights)
    y = tf.reshape(_outputs(products, tile, phases.taps), (tile, tile, -1, rows, columns, filters))
    y = tf.transpose(y, (2, 3, 0, 4, 1, 5))
    y = tf.reshape(y, (-1, tile * rows, tile * columns, filters))
    return _cut(_cut(y, 1, 0, height), 2, 0, width)


def _outputs(products: tf.Tensor, tile: int, taps: int) -> tf.Tensor:
    """[n * n, ...] products -> [tile * tile, -1] sums."""
    forward = filtering_matrices(tile, taps)[0]
    flat = tf.reshape(products, (forward.shape[1] ** 2, -1))
    return _product(np.kron(forward, forward), flat)
