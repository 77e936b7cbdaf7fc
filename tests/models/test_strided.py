"""The stride-2 layers: which way they take, and that both ways are one layer."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.models import dcgan_discriminator, dcgan_generator, strided
from kaffect.models.strided import StridedConv2D, StridedConv2DTranspose, tile_of


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles for layers with few channels too."""
    monkeypatch.setattr(strided, "FEWEST_CHANNELS", 2)


def test_small_images_with_many_channels_in_float32_go_tile_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert tile_of(6, 512, 5, "float32") == 3 and tile_of(12, 128, 7, "float32") == 4
    assert not tile_of(48, 512, 5, "float32"), "large images"
    assert not tile_of(6, 3, 5, "float32"), "few channels"
    assert not tile_of(7, 256, 5, "float32"), "no tile fills it"
    assert not tile_of(6, 512, 5, "bfloat16")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["a GPU"])
    assert not tile_of(6, 512, 5, "float32")


@pytest.mark.parametrize(("kind", "plain", "side"), [
    (StridedConv2D, keras.layers.Conv2D, 12),
    (StridedConv2DTranspose, keras.layers.Conv2DTranspose, 6),
])  # fmt: skip
def test_against_keras(kind: type, plain: type, side: int, narrow: None) -> None:
    """Same weights: Keras' own layer, in inference and in training, bias included."""
    x = np.random.default_rng(3).normal(size=(2, side, side, 4)).astype(np.float32)
    layer, reference = kind(6, 5), plain(6, 5, 2, "same")
    layer.build(x.shape)
    reference.build(x.shape)
    layer.bias.assign(np.arange(6.0))
    reference.set_weights(layer.get_weights())
    expected = np.asarray(reference(x))
    np.testing.assert_array_equal(layer(x, training=False), expected)
    found = np.asarray(layer(x, training=True))
    assert not np.array_equal(found, expected), "training did not go by tiles"
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", [StridedConv2D, StridedConv2DTranspose])
def test_another_stride_is_refused(kind: type) -> None:
    with pytest.raises(ConfigError, match="2 and 'same'. Received: .1, 'same'"):
        kind(6, 5, strides=1)


def test_an_activation_or_no_bias_keeps_the_plain_sums(narrow: None) -> None:
    x = np.random.default_rng(4).normal(size=(1, 12, 12, 4)).astype(np.float32)
    for options in ({"activation": "relu"}, {"use_bias": False}):
        layer = StridedConv2D(6, 5, **options)
        np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))


def test_a_network_of_both_is_cloned() -> None:
    network = dcgan_generator(5, 1 / 64, seed=1)
    again = keras.models.clone_model(network)
    again.set_weights(network.get_weights())
    latent = np.full((1, 100), 0.5, np.float32)
    np.testing.assert_array_equal(again(latent), network(latent))


def test_configuration_2_trains_as_with_plain_convolutions(narrow: None) -> None:
    """Images, logits and every gradient of both networks, with tiles and without."""

    def update() -> list[np.ndarray]:
        generator = dcgan_generator(5, 1 / 64, seed=1)
        judge = dcgan_discriminator(5, 11, 1 / 16, seed=2)
        latent = np.random.default_rng(5).uniform(-1, 1, (6, 100)).astype(np.float32)
        with tf.GradientTape() as tape:
            images = generator(latent, training=True)
            logits = judge(images, training=True)
            loss = tf.reduce_sum(tf.square(logits))
        # A bias in front of a normalisation has no gradient but rounding.
        variables = [
            v for v in generator.weights + judge.weights if v.trainable and v.name != "bias"
        ]
        return [np.asarray(v) for v in (images, logits, *tape.gradient(loss, variables))]

    tiled = update()
    strided.FEWEST_CHANNELS = 10**9
    plain = update()
    assert not all(np.array_equal(a, b) for a, b in zip(tiled, plain)), "nothing went by tiles"
    for ours, theirs in zip(tiled, plain):
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())
