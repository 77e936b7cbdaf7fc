"""What a pixel becomes (Section IV-B)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ConfigError
from kaffect.models import ImagePreprocessing

GOLDEN = Path(__file__).parents[1] / "golden" / "vggface"


def test_preprocessing_of_vggface_is_that_of_its_package():
    with np.load(GOLDEN / "preprocess_version1.npz") as data:
        rgb, expected = data["rgb"], data["output"]
    result = ImagePreprocessing("vggface")(rgb).numpy()
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)
    pixel = ImagePreprocessing("vggface")(np.array([[10, 20, 30]], "uint8")).numpy()
    np.testing.assert_allclose(pixel, [[-63.594, -84.7624, -119.1863]], rtol=0, atol=1e-4)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_preprocessing_of_the_paper_is_exact_under_every_policy(policy):
    pixels = np.arange(256, dtype="uint8").repeat(3).reshape(16, 16, 3)
    layer = ImagePreprocessing("paper", dtype=policy)
    result = layer(pixels)
    assert result.dtype == layer.compute_dtype
    expected = (np.arange(256).repeat(3).reshape(16, 16, 3) - 128) / 128
    np.testing.assert_array_equal(tf.cast(result, tf.float64), expected)
    assert not layer.weights
    np.testing.assert_array_equal(layer(pixels.astype("float32")), result)


def test_preprocessing_of_imagenet_weights():
    """Figures worked out by hand from torchvision's mean and standard deviation."""
    pixels = np.array([[0, 0, 0], [255, 255, 255], [124, 116, 104]], "uint8")
    expected = [
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
        [0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225],
        [0.0055592, -0.0049020, 0.0081917],
    ]
    result = ImagePreprocessing("imagenet")(pixels).numpy()
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)


def test_grey_has_mean_0_and_deviation_1_over_each_picture():
    """Against NumPy; a picture with almost no contrast is not stretched to noise."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    images[1] = 100 + images[1] // 64
    found = ImagePreprocessing("grey", dtype="float32")(images).numpy()
    luma = images.astype(float) @ np.array([0.299, 0.587, 0.114])
    centred = luma - luma.mean(axis=(1, 2), keepdims=True)
    expected = centred / np.maximum(luma.std(axis=(1, 2), keepdims=True), 8.0)
    assert np.allclose(found, expected[..., None], atol=1e-5)
    assert found[0, ..., 0].std() == pytest.approx(1, abs=1e-5)
    assert found[1].std() < 0.2


def test_unknown_preprocessing():
    with pytest.raises(
        ConfigError, match="one of 'grey', 'imagenet', 'paper', 'vggface'. Received: 'caffe'"
    ):
        ImagePreprocessing("caffe")
