"""ResNet-18 against an independent PyTorch implementation, and its variants (second study)."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.models import affect_network, affect_resnet18, load_torchvision_weights, resnet18
from kaffect.models.resnet18 import SymmetricConv2D

GOLDEN = Path(__file__).parents[1] / "golden" / "resnet18"


def trainable(model: keras.Model) -> int:
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_features_and_logits_are_those_of_pytorch(torchvision_recipe):
    shapes = {n: tuple(s) for n, s in json.loads((GOLDEN / "state_dict.json").read_text())}
    with np.load(GOLDEN / "resnet18_112.npz") as data:
        golden = {name: data[name] for name in data.files}
    assert list(golden["names"]) == list(shapes)
    weights = torchvision_recipe(int(golden["seed"]), shapes)
    model = resnet18()
    load_torchvision_weights(model, weights)
    features = model(golden["inputs"]).numpy()
    np.testing.assert_allclose(features, golden["features"], rtol=1e-4, atol=1e-4)
    logits = features @ weights["fc.weight"].T + weights["fc.bias"]
    np.testing.assert_allclose(logits, golden["logits"], rtol=1e-4, atol=1e-4)
    # With the classifier: as many as torchvision states.
    assert trainable(model) + 512 * 1000 + 1000 == 11_689_512


@pytest.mark.parametrize("kernel,stride", [(7, 2), (3, 2), (3, 1), (1, 2)])
@pytest.mark.parametrize("size", [8, 9])
def test_padding_is_the_same_on_both_sides(kernel, stride, size):
    """A convolution by hand: every output is the sum over a window that is centred on its pixel."""
    image = np.random.default_rng(0).standard_normal((1, size, size, 1)).astype("float32")
    layer = SymmetricConv2D(1, kernel, stride)
    result = layer(image).numpy()[0, :, :, 0]
    weights = layer.kernel.numpy()[:, :, 0, 0]
    padded = np.pad(image[0, :, :, 0], kernel // 2)
    places = range(0, size, stride)
    expected = [[(padded[i : i + kernel, j : j + kernel] * weights).sum() for j in places]
                for i in places]  # fmt: skip
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)
    assert layer.compute_output_shape((1, size, size, 1)) == (1, *result.shape, 1)


@pytest.mark.parametrize("channels,strided", [(3, 0), (15, 0), (16, 1)])
def test_narrow_ways_around_a_block_have_no_strided_filter_gradient(channels, strided):
    """That of oneDNN writes beyond its memory where channels are few and the batch is odd."""
    layer = SymmetricConv2D(4, 1, 2)
    layer.build((None, 16, 16, channels))

    @tf.function(input_signature=[tf.TensorSpec((7, 16, 16, channels))])
    def gradient(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(layer(x, training=True) ** 2)
        return tape.gradient(total, layer.kernel.value)

    operations = gradient.get_concrete_function().graph.get_operations()
    strides = [op.get_attr("strides") for op in operations if op.type == "Conv2DBackpropFilter"]
    assert len(strides) == 1 and strides.count([1, 2, 2, 1]) == strided


@pytest.mark.parametrize("size", [8, 9])
def test_a_narrow_way_around_a_block_trains_as_it_infers(size):
    image = np.random.default_rng(0).standard_normal((7, size, size, 4)).astype("float32")
    layer = SymmetricConv2D(8, 1, 2)
    layer.build(image.shape)
    expected = np.einsum("nhwc,cd->nhwd", image[:, ::2, ::2], layer.kernel[0, 0])
    with tf.GradientTape() as tape:
        result = layer(image, training=True)
        total = tf.reduce_sum(result)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(layer(image), expected, rtol=0, atol=1e-5)
    by_hand = np.broadcast_to(image[:, ::2, ::2].sum((0, 1, 2))[:, None], (4, 8))
    found = tape.gradient(total, layer.kernel.value)[0, 0]
    np.testing.assert_allclose(found, by_hand, rtol=0, atol=1e-3)


@pytest.mark.parametrize("stem,side", [("imagenet", 2), ("no_pool", 3), ("small", 3)])
def test_stems_for_small_pictures_keep_twice_the_resolution(stem, side):
    model = resnet18(48, stem=stem, width=0.0625)
    last = model.get_layer("layer4.1.relu2")
    assert last.output.shape == (None, side, side, 32)
    assert model.output_shape == (None, 32)


def test_the_study_s_extra_normalisations():
    plain, extra = (resnet18(32, extra_normalization=e, width=0.125, seed=3) for e in (False, True))
    assert sum("conv" in x.name or "downsample.0" in x.name for x in plain.layers) == 20
    names = [x.name for x in extra.layers]
    assert sum(n.endswith(".extra") for n in names) == 20
    assert names.index("layer2.0.conv1.extra") == names.index("layer2.0.conv1") + 1
    assert names.index("layer2.0.bn1") == names.index("layer2.0.conv1") + 2
    # Two normalisations in a row change next to nothing at the start: the first does the work.
    image = np.random.default_rng(0).standard_normal((4, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(extra(image), plain(image), rtol=0.01, atol=1e-3)


def test_initial_weights_are_hes():
    kernel = resnet18(32, seed=1).get_layer("layer4.1.conv2").kernel.numpy()
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 512)), rel=0.01)


def test_heads_are_there_as_asked_for():
    images = np.zeros((2, 32, 32, 3), "uint8")
    joint = affect_resnet18(32, width=0.0625, seed=1)
    shapes = {name: tuple(value.shape) for name, value in joint(images).items()}
    assert shapes == {
        "valence_arousal": (2, 2),
        "expression_logits": (2, 8),
        "action_unit_logits": (2, 12),
    }
    only = affect_resnet18(
        32, valence_arousal=False, expressions=7, action_units=0, width=0.0625, seed=1
    )
    assert {n: tuple(v.shape) for n, v in only(images).items()} == {"expression_logits": (2, 7)}
    # A uni-task network is the joint one with one head: the same initial backbone.
    for a, b in zip(*(m.get_layer("encoder").get_weights() for m in (joint, only))):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ConfigError, match="at least one output"):
        affect_resnet18(32, False, 0, 0, width=0.0625)


@pytest.mark.parametrize(("backbone", "features"), [("vggface", 64), ("small", 32)])
def test_the_same_heads_on_another_backbone(backbone, features):
    """An eighth of 512 channels at one place, or of 256 averaged."""
    model = affect_network(backbone, 32, expressions=7, action_units=0, width=0.125, seed=1)
    assert model.get_layer("encoder").output_shape == (None, features)
    assert {n: v.shape[-1] for n, v in model.output.items()} == {
        "valence_arousal": 2,
        "expression_logits": 7,
    }


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"stem": "cifar"}, "Expected one of 'imagenet', 'no_pool', 'small'. Received: 'cifar'"),
        ({"image_size": 0}, "positive numbers"),
        ({"width": 0}, "positive numbers"),
    ],
)
def test_settings_that_are_not_accepted(settings, message):
    with pytest.raises(ConfigError, match=message):
        resnet18(**{"image_size": 32, **settings})
