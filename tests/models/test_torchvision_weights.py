"""Weights in torchvision's naming: read in every accepted form, refused otherwise."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy

from kaffect.errors import ArtifactError
from kaffect.models import (
    affect_resnet18,
    load_torchvision_weights,
    resnet18,
    torchvision_weights,
)


def narrow(**settings) -> keras.Model:
    return resnet18(32, width=0.0625, seed=1, **settings)


@pytest.fixture(scope="module")
def weights(torchvision_recipe) -> dict[str, np.ndarray]:
    """Of the narrow network, and what else a file of torchvision has."""
    shapes = {name: value.shape for name, value in torchvision_weights(narrow()).items()}
    extra = {"bn1.num_batches_tracked": np.array(7, np.int64), "fc.bias": np.zeros(1000, "float32")}
    return {**torchvision_recipe(5, shapes), **extra}


def write(path: Path, weights: dict[str, np.ndarray]) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **weights)
    else:
        safetensors.numpy.save_file({k: v.copy() for k, v in weights.items()}, path)
    return path


@pytest.mark.parametrize("form", ["mapping", "weights.npz", "weights.safetensors"])
def test_every_form_gives_the_same_network(tmp_path, weights, form):
    model = narrow()
    load_torchvision_weights(
        model, weights if form == "mapping" else write(tmp_path / form, weights)
    )
    kernel = weights["layer2.0.conv1.weight"]
    ours = model.get_layer("layer2.0.conv1").kernel.numpy()
    assert ours[2, 0, 1, 3] == kernel[3, 1, 2, 0]
    norm = model.get_layer("layer4.1.bn2")
    for mine, theirs in (
        (norm.gamma, "weight"),
        (norm.beta, "bias"),
        (norm.moving_mean, "running_mean"),
        (norm.moving_variance, "running_var"),
    ):
        np.testing.assert_array_equal(mine, weights[f"layer4.1.bn2.{theirs}"])
    for name, value in torchvision_weights(model).items():
        np.testing.assert_array_equal(value, weights[name])


def test_a_path_goes_into_the_backbone_of_a_whole_network(tmp_path, weights):
    path = write(tmp_path / "w.safetensors", weights)
    model = affect_resnet18(32, width=0.0625, weights=path, seed=1)
    found = torchvision_weights(model)
    assert found.keys() == weights.keys() - {"bn1.num_batches_tracked", "fc.bias"}
    np.testing.assert_array_equal(found["conv1.weight"], weights["conv1.weight"])


def test_extra_normalisations_stay_as_they_are(weights):
    model = narrow(extra_normalization=True)
    load_torchvision_weights(model, weights)
    extra = model.get_layer("conv1.extra")
    np.testing.assert_array_equal(extra.gamma, np.ones(4))
    np.testing.assert_array_equal(model.get_layer("bn1").beta, weights["bn1.bias"])


SPOILED = {
    "missing": ("bn1.bias", None, "missing bn1.bias"),
    "unknown": ("layer5.0.conv1.weight", np.zeros(3, "float32"), "unknown layer5.0.conv1.weight"),
    "shape": ("conv1.weight", np.zeros((4, 3, 3, 3), "float32"), r"Expected shape \(4, 3, 7, 7\)"),
    "ours": ("conv1.weight", np.zeros((7, 7, 3, 4), "float32"), r"Received: \(7, 7, 3, 4\)"),
    "nan": ("bn1.bias", np.full(4, np.nan, "float32"), "not finite"),
    "integers": ("bn1.bias", np.zeros(4, "int64"), "holds int64"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_wrong_weights_are_refused_and_change_nothing(tmp_path, weights, case):
    name, value, message = SPOILED[case]
    spoiled = {k: v for k, v in weights.items() if k != name}
    if value is not None:
        spoiled[name] = value
    model = narrow()
    before = model.get_weights()
    path = write(tmp_path / "w.npz", spoiled)
    with pytest.raises(ArtifactError, match=message) as error:
        load_torchvision_weights(model, path)
    assert str(path) in str(error.value)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("cut", [0, 40, 2000])
def test_damaged_files(tmp_path, weights, suffix, cut):
    path = write(tmp_path / f"w{suffix}", weights)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_torchvision_weights(narrow(), path)


def test_a_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    np.savez(tmp_path / "w.npz", **{"conv1.weight": np.array([Trap()], dtype=object)})
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_torchvision_weights(narrow(), tmp_path / "w.npz")
    (tmp_path / "resnet18.pth").write_bytes(b"whatever")
    with pytest.raises(ArtifactError, match="safetensors.torch.save_file"):
        load_torchvision_weights(narrow(), tmp_path / "resnet18.pth")
    with pytest.raises(ArtifactError, match="w.safetensors"):
        load_torchvision_weights(narrow(), tmp_path / "w.safetensors")
    assert not (tmp_path / "sprung").exists()
