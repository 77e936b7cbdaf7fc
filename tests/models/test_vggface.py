"""The convolutions of VGG-Face against keras-vggface's own numbers (Section IV-B)."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.models import vggface_features
from kaffect.models.vggface import BLOCKS

GOLDEN = Path(__file__).parents[1] / "golden" / "vggface"
NAMES = [f"conv{b}_{i}" for b, (n, _) in enumerate(BLOCKS, 1) for i in range(1, n + 1)]


def test_features_are_those_of_keras_vggface(recipe_weights):
    with np.load(GOLDEN / "vgg16_features.npz") as data:
        golden = {key: data[key] for key in data.files}
    model = vggface_features()
    for name, arrays in recipe_weights(int(golden["seed"]), model).items():
        model.get_layer(name).set_weights(arrays)
    pools = [model.get_layer(f"pool{i}").output for i in range(1, 6)]
    values = [v.numpy() for v in keras.Model(model.input, pools)(golden["inputs"])]
    scale = np.abs(golden["pool5"]).max()
    np.testing.assert_allclose(values[4], golden["pool5"], rtol=0, atol=1e-4 * scale)
    np.testing.assert_allclose([v.mean() for v in values], golden["pool_means"], rtol=1e-4)
    np.testing.assert_allclose([v.std() for v in values], golden["pool_stds"], rtol=1e-4)


def test_layers_and_parameters():
    model = vggface_features()
    assert model.count_params() == 14_714_688
    names = [layer.name for layer in model.layers]
    layout = json.loads((GOLDEN / "h5_layout.json").read_text())
    assert names[1:] == layout["attrs"]["layer_names"][1:]
    for dataset, shape in layout["datasets"]:
        _, name, variable = dataset.split("/")
        layer = model.get_layer(name)
        assert list(getattr(layer, variable.removesuffix(":0")).shape) == shape
    sides = [model.get_layer(f"pool{i}").output.shape[1:] for i in range(1, 6)]
    expected = [(48, 48, 64), (24, 24, 128), (12, 12, 256), (6, 6, 512), (3, 3, 512)]
    assert [tuple(s) for s in sides] == expected
    assert model.output_shape == (None, 3, 3, 512)


def test_he_initialisation():
    first = vggface_features(width=0.25, image_size=32, seed=1)
    for name in NAMES:
        kernel = first.get_layer(name).kernel.numpy()
        assert kernel.std() == pytest.approx(np.sqrt(2 / np.prod(kernel.shape[:3])), rel=0.15), name
        assert not first.get_layer(name).bias.numpy().any()


@pytest.mark.parametrize("settings", [{"image_size": 0}, {"width": 0.0}, {"image_size": 9.5}])
def test_sizes_must_be_positive(settings):
    with pytest.raises(ConfigError, match="positive"):
        vggface_features(**settings)
