"""Tables V-VIII: the shape of every layer, parameter counts, and what the notes settle."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.models import (
    dcgan_discriminator,
    dcgan_generator,
    layer_table,
    ssgan_discriminator,
    ssgan_generator,
)
from kaffect.models.normalization import FusedBatchNormalization

LATENT = 100


def _shapes(model: keras.Model, start: str) -> list[tuple[int, ...]]:
    return [row.output for row in layer_table(model) if row.layer.startswith(start)]


@pytest.mark.parametrize("style", ["paper", "ssgan"])
def test_table_v_shapes_with_valid_padding(style: str) -> None:
    model = ssgan_generator(style)
    wanted = [(2, 2, 384), (6, 6, 128), (14, 14, 64), (32, 32, 3)]
    assert _shapes(model, "conv2d transpose") == wanted
    assert _shapes(model, "batch normalization") == _shapes(model, "relu") == wanted[:3]
    assert model.output_shape == (None, 32, 32, 3)


def test_with_the_printed_same_padding_the_image_would_have_8_pixels() -> None:
    size = 1
    for stride in (1, 2, 2, 2):
        size = keras.layers.Conv2DTranspose(1, 4, stride, "same").compute_output_shape(
            (None, size, size, 1)
        )[1]
    assert size == 8


def test_table_vi_shapes() -> None:
    wanted = [(16, 16, 64), (8, 8, 128), (4, 4, 256)]
    model = ssgan_discriminator()
    for kind in ("conv2d", "batch normalization", "leaky relu"):
        assert _shapes(model, kind) == wanted
    assert model.output_shape == (None, 11)


@pytest.mark.parametrize("kernel", [5, 7])
def test_table_vii_shapes(kernel: int) -> None:
    model = dcgan_generator(kernel)
    wanted = [(12, 12, 512), (24, 24, 256), (48, 48, 128), (96, 96, 3)]
    assert _shapes(model, "conv2d transpose") == wanted
    assert _shapes(model, "fully connected") == [(36864,)]
    assert _shapes(model, "batch normalization") == [(6, 6, 1024), *wanted[:3]]
    filters = [row.filter for row in layer_table(model) if row.filter]
    assert filters[0] == f"[{kernel}, {kernel}, 1024, 512]"


@pytest.mark.parametrize("kernel", [5, 7])
def test_table_viii_shapes(kernel: int) -> None:
    model = dcgan_discriminator(kernel)
    wanted = [(48, 48, 64), (24, 24, 128), (12, 12, 256), (6, 6, 512)]
    for kind in ("conv2d", "batch normalization", "leaky relu"):
        assert _shapes(model, kind) == wanted
    assert model.output_shape == (None, 11)


def _count(kernels: list[tuple[int, int, int]], normalised: list[int], dense: int) -> int:
    """k*k*in*out weights and out biases per convolution, 4 values per normalised channel."""
    return sum(k * k * i * o + o for k, i, o in kernels) + 4 * sum(normalised) + dense


COUNTS = [
    (
        ssgan_generator,
        {},
        _count([(2, 100, 384), (4, 384, 128), (4, 128, 64), (6, 64, 3)], [384, 128, 64], 0),
    ),
    (
        ssgan_discriminator,
        {},
        _count([(5, 3, 64), (5, 64, 128), (5, 128, 256)], [64, 128, 256], 4096 * 11 + 11),
    ),
    *(
        (
            dcgan_generator,
            {"kernel_size": k},
            _count(
                [(k, 1024, 512), (k, 512, 256), (k, 256, 128), (k, 128, 3)],
                [1024, 512, 256, 128],
                101 * 36864,
            ),
        )
        for k in (5, 7)
    ),
    *(
        (
            dcgan_discriminator,
            {"kernel_size": k, "outputs": n},
            _count(
                [(k, 3, 64), (k, 64, 128), (k, 128, 256), (k, 256, 512)],
                [64, 128, 256, 512],
                18432 * n + n,
            ),
        )
        for k, n in ((5, 11), (7, 11), (5, 3), (5, 9))
    ),
]


@pytest.mark.parametrize(("build", "options", "wanted"), COUNTS)
def test_parameter_counts(build: Callable, options: dict, wanted: int) -> None:
    assert build(**options).count_params() == wanted


def _order(model: keras.Model) -> list[str]:
    return [row.layer.rstrip(" 1234") for row in layer_table(model)]


def test_order_of_layers_in_both_styles() -> None:
    block = ["conv2d", "batch normalization", "leaky relu"]
    assert _order(ssgan_discriminator()) == [*block * 3, "fully connected"]
    block = ["conv2d", "leaky relu", "batch normalization", "dropout"]
    assert _order(ssgan_discriminator(style="ssgan")) == [*block * 3, "fully connected"]
    block = ["conv2d transpose", "relu", "batch normalization"]
    assert _order(ssgan_generator(style="ssgan")) == [*block * 3, "conv2d transpose", "tanh"]
    block = ["batch normalization", "relu", "conv2d transpose"]
    assert _order(dcgan_generator()) == ["fully connected", *block * 4, "tanh"]


NETWORKS = [
    (ssgan_generator, 0.9),
    (ssgan_discriminator, 0.9),
    (dcgan_generator, 0.99),
    (dcgan_discriminator, 0.99),
]


@pytest.mark.parametrize(("build", "momentum"), NETWORKS)
def test_normalisation_and_leak_are_the_ancestors(build: Callable, momentum: float) -> None:
    layers = build(width=0.1).layers
    norms = [layer for layer in layers if isinstance(layer, FusedBatchNormalization)]
    assert len(norms) >= 3
    assert {(n.momentum, n.epsilon) for n in norms} == {(momentum, 1e-3)}
    leaks = {x.negative_slope for x in layers if isinstance(x, keras.layers.LeakyReLU)}
    assert leaks <= {0.2}


def test_initial_weights_configuration_1_truncated_normal_of_002() -> None:
    kernel = ssgan_discriminator(seed=1).get_layer("conv2d_3").kernel.numpy()
    # A normal of 0.02 cut at two standard deviations has standard deviation 0.0176.
    assert abs(kernel.std() - 0.0176) < 2e-4 and np.abs(kernel).max() <= 0.04


def test_initial_weights_configuration_2_glorot_uniform() -> None:
    kernel = dcgan_discriminator(seed=1).get_layer("conv2d_3").kernel.numpy()
    bound = np.sqrt(6 / (25 * 128 + 25 * 256))
    assert 0.99 * bound < np.abs(kernel).max() <= bound
    assert abs(kernel.std() - bound / np.sqrt(3)) < 1e-3


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of 5, 7. Received: 6"):
        dcgan_generator(6)
    with pytest.raises(ConfigError, match="'paper', 'ssgan'. Received: 'dcgan'"):
        ssgan_generator("dcgan")
    with pytest.raises(ConfigError, match="Received: 1"):
        ssgan_discriminator(outputs=1)
