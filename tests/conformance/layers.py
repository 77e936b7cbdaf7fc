"""Every layer, small, with its inputs: what tests/conformance/test_layers.py runs.

A new layer needs an entry here; tests/conformance/test_registries.py names one that is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kaffect.layers import AttentionGRU, AttentionGRUCell
from kaffect.models.biased import Conv2D, Conv2DTranspose, Dense
from kaffect.models.dropout import Dropout
from kaffect.models.mirrored import WithMirror
from kaffect.models.normalization import FusedBatchNormalization
from kaffect.models.preprocessing import ImagePreprocessing
from kaffect.models.resnet18 import SymmetricConv2D
from kaffect.models.strided import StridedConv2D, StridedConv2DTranspose
from kaffect.models.time_axis import FoldTime, UnfoldTime

Build = Callable[..., keras.layers.Layer]


@dataclass(frozen=True)
class LayerCase:
    """A layer and what it is called with.

    Attributes:
        build: (seed of the initial weights, dtype=policy) -> the layer.
        inputs: arrays whose first axis is the batch.
        unknown: for each input, how many axes behind the batch may be of unknown length.
        output: dtype of what comes out: that the layer computes in, "float32" or the input's.
        call: layer and its inputs -> outputs, where it is not called with one tensor.
        no_gradient: why finite differences in float64 say nothing; empty: they are compared.
    """

    build: Build
    inputs: tuple[np.ndarray, ...]
    unknown: tuple[int, ...]
    output: str = "compute"
    call: Callable[[keras.layers.Layer, Any], Any] = lambda layer, inputs: layer(inputs[0])
    no_gradient: str = ""


def _numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def _recurrence(implementation: str, masked: bool) -> LayerCase:
    def build(seed: int | None, **options: Any) -> keras.layers.Layer:
        return AttentionGRU((5, 6), 4, implementation, masked, seed=seed, **options)

    return LayerCase(build, (_numbers(3, 7, 8),), (1,), output="float32")


def _recurrent_cell() -> LayerCase:
    def build(seed: int | None, **options: Any) -> keras.layers.Layer:
        return AttentionGRUCell((5, 6), 4, True, seed=seed, **options)

    widths = (8, *build(None).state_size)
    filled = np.array([[0.0], [2.0], [4.0]])
    inputs = tuple(_numbers(3, width, seed=i) for i, width in enumerate(widths))
    return LayerCase(
        build,
        (*inputs[:-1], filled),
        (0,) * len(widths),
        output="float32",
        call=lambda cell, x: cell(x[0], x[1:])[0],
    )


def _weighted(kind: Build, shape: tuple[int, ...], *arguments: Any, unknown: int = 0) -> LayerCase:
    """A layer with a kernel."""

    def build(seed: int | None, **options: Any) -> keras.layers.Layer:
        start = keras.initializers.GlorotUniform(seed=seed)
        return kind(*arguments, kernel_initializer=start, **options)

    return LayerCase(build, (_numbers(*shape),), (unknown,))


def _plain(kind: Build, *inputs: np.ndarray, unknown: tuple[int, ...], **more: Any) -> LayerCase:
    """A layer without initial weights that a seed decides."""
    arguments = more.pop("arguments", {})
    return LayerCase(lambda seed, **options: kind(**arguments, **options), inputs, unknown, **more)


CASES: dict[str, LayerCase] = {
    "AttentionGRU, fused": _recurrence("fused", False),
    "AttentionGRU, fused, empty slots masked": _recurrence("fused", True),
    "AttentionGRU, cell": _recurrence("cell", False),
    "AttentionGRUCell": _recurrent_cell(),
    "Dense": _weighted(Dense, (3, 4, 5), 6, unknown=1),
    "Conv2D": _weighted(Conv2D, (2, 6, 5, 3), 4, 3, 1, "same", unknown=2),
    "Conv2DTranspose": _weighted(Conv2DTranspose, (2, 3, 4, 3), 5, 4, 2, "valid", unknown=0),
    # Plain sums: in float64 no tiles are taken (tests/models/test_winograd.py has their gradient).
    "StridedConv2D": _weighted(StridedConv2D, (2, 6, 6, 3), 4, 5),
    "StridedConv2DTranspose": _weighted(StridedConv2DTranspose, (2, 3, 3, 3), 4, 5),
    "SymmetricConv2D": _weighted(SymmetricConv2D, (2, 7, 6, 3), 4, 3, 2, unknown=2),
    # In float64 step by step; tests/models/test_normalization.py compares the fused kernel.
    "FusedBatchNormalization": _plain(
        FusedBatchNormalization, _numbers(3, 4, 5, 6), unknown=(2,),
        arguments={"momentum": 0.7, "epsilon": 1e-2},
    ),
    "Dropout": _plain(
        Dropout, _numbers(3, 4, 5), unknown=(2,), arguments={"rate": 0.4, "seed": 1},
        no_gradient="each call draws anew",
    ),
    "ImagePreprocessing": _plain(
        ImagePreprocessing,
        np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3)).astype(np.uint8), unknown=(2,),
        arguments={"mode": "imagenet"}, no_gradient="whole numbers come in",
    ),
    "WithMirror": _plain(
        WithMirror, _numbers(3, 4, 5, 3), unknown=(2,), no_gradient="in training it does nothing",
    ),
    "FoldTime": _plain(FoldTime, _numbers(3, 4, 5), unknown=(1,), output="input"),
    "UnfoldTime": _plain(
        UnfoldTime, _numbers(12, 5), _numbers(3, 4, 2), unknown=(0, 1), output="input",
        call=lambda layer, inputs: layer(list(inputs)),
        no_gradient="the second input only tells the length, and the first is only reshaped",
    ),
}  # fmt: skip
