"""The weights file of VGG-Face: read by order, refused when it is another file (Section IV-B)."""

from __future__ import annotations

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from kaffect.errors import ArtifactError
from kaffect.models import frame_encoder, load_vggface_weights, vggface_features


def write_h5(path: Path, weights: dict[str, tuple[np.ndarray, np.ndarray]], kernel="kernel:0"):
    """A file laid out as keras-vggface writes it, `h5_layout.json` beside the golden numbers."""
    with h5py.File(path, "w") as file:
        names = ["input_1"]
        for name, arrays in weights.items():
            names += [name] + (["pool" + name[4]] if name in ("conv1_2", "conv5_3") else [])
            spellings = [f"{name}/{kernel}", f"{name}/bias:0"]
            group = file.create_group(name)
            group.attrs["weight_names"] = [s.encode() for s in spellings]
            for spelling, array in zip(spellings, arrays):
                group[spelling] = array
        for name in names:
            if name not in weights:
                file.create_group(name).attrs["weight_names"] = np.zeros(0, "S1")
        file.attrs["layer_names"] = [n.encode() for n in names]
    return path


def narrow() -> keras.Model:
    """VGG-Face with an eighth of its channels: the same loader, a fast test."""
    return vggface_features(width=0.125, image_size=32, seed=1)


def test_the_log_says_where_the_weights_come_from(tmp_path, caplog, recipe_weights):
    with caplog.at_level("INFO", logger="kaffect"):
        model = narrow()
        assert "VGG-Face without weights of its own: He initialisation, seed 1" in caplog.text
        caplog.clear()
        load_vggface_weights(model, write_h5(tmp_path / "w.h5", recipe_weights(5, model)))
        assert f"VGG-Face weights read from {tmp_path / 'w.h5'}" in caplog.text


@pytest.mark.parametrize("kernel", ["kernel:0", "W_of_an_older_keras"])
def test_weights_file_is_read_by_order(tmp_path, kernel, recipe_weights):
    model = narrow()
    weights = recipe_weights(5, model)
    path = write_h5(tmp_path / "weights.h5", weights, kernel)
    load_vggface_weights(model, path)
    for name, arrays in weights.items():
        for value, expected in zip(model.get_layer(name).get_weights(), arrays):
            np.testing.assert_array_equal(value, expected)
    built = vggface_features(path, width=0.125, image_size=32)
    image = np.random.default_rng(0).random((1, 32, 32, 3), "float32")
    np.testing.assert_array_equal(built(image), model(image))


def test_weights_go_into_the_cnn_of_a_whole_network(tmp_path, recipe_weights):
    encoder = frame_encoder(32, 0.125, 16, seed=2)
    weights = recipe_weights(6, encoder.get_layer("vggface"))
    dense = encoder.get_layer("fc6").get_weights()
    load_vggface_weights(encoder, write_h5(tmp_path / "w.h5", weights))
    kernel = encoder.get_layer("vggface").get_layer("conv3_2").kernel
    np.testing.assert_array_equal(kernel, weights["conv3_2"][0])
    np.testing.assert_array_equal(encoder.get_layer("fc6").get_weights()[0], dense[0])


def spoil_not_hdf5(path: Path) -> None:
    path.write_bytes(b"not a weights file")


def spoil_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def spoil_attribute(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file.attrs["layer_names"]


def spoil_top(path: Path) -> None:
    with h5py.File(path, "a") as file:
        group = file.create_group("fc6")
        group.attrs["weight_names"] = [b"fc6/kernel:0"]
        group["fc6/kernel:0"] = np.zeros((4, 4), "float32")
        names = [*file.attrs["layer_names"].astype("S"), b"fc6"]
        file.attrs["layer_names"] = names


def spoil_order(path: Path) -> None:
    with h5py.File(path, "a") as file:
        names = list(file.attrs["layer_names"].astype("S"))
        at = names.index(b"conv1_1")
        names[at], names[at + 1] = names[at + 1], names[at]
        file.attrs["layer_names"] = names


def spoil_swapped(path: Path) -> None:
    with h5py.File(path, "a") as file:
        attrs = file["conv2_1"].attrs
        attrs["weight_names"] = attrs["weight_names"][::-1]


def spoil_missing(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["conv4_2/conv4_2/bias:0"]


def replace(path: Path, link) -> None:
    with h5py.File(path, "a") as file:
        del file["conv4_2/conv4_2/bias:0"]
        file["conv4_2/conv4_2/bias:0"] = link


def spoil_external_link(path: Path) -> None:
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["bias"] = np.zeros(64, "float32")
    replace(path, h5py.ExternalLink(other, "/bias"))


def spoil_soft_link(path: Path) -> None:
    replace(path, h5py.SoftLink("/conv4_1/conv4_1/bias:0"))


def spoil_external_storage(path: Path) -> None:
    raw = path.with_name("raw.bin")
    raw.write_bytes(bytes(64 * 4))
    with h5py.File(path, "a") as file:
        group = file["conv4_2/conv4_2"]
        del group["bias:0"]
        group.create_dataset("bias:0", (64,), "float32", external=[(str(raw), 0, 256)])


def spoil_virtual(path: Path) -> None:
    layout = h5py.VirtualLayout((64,), "float32")
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "bias", (64,))
    with h5py.File(path, "a") as file:
        group = file["conv4_2/conv4_2"]
        del group["bias:0"]
        group.create_virtual_dataset("bias:0", layout)


def spoil_nan(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["conv1_2/conv1_2/kernel:0"][0, 0, 0, 0] = np.nan


def spoil_type(path: Path) -> None:
    replace(path, np.zeros(64, "int32"))


SPOILED = {
    spoil_not_hdf5: "cannot be read as an HDF5 weights file",
    spoil_truncated: "cannot be read as an HDF5 weights file",
    spoil_attribute: "attribute 'layer_names' is missing",
    spoil_top: "Expected 13 layers with weights. Received: 14 .*top layers",
    spoil_order: "layer 'conv1_2' does not fit conv1_1. Expected shapes",
    spoil_swapped: "layer 'conv2_1' does not fit conv2_1",
    spoil_missing: "'conv4_2/bias:0' is missing",
    spoil_external_link: "link to elsewhere",
    spoil_soft_link: "link to elsewhere",
    spoil_external_storage: "in another file",
    spoil_virtual: "in another file",
    spoil_nan: "not finite",
    spoil_type: "holds int32",
}


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda f: f.__name__.removeprefix("spoil_"))
def test_a_wrong_file_is_refused_and_changes_nothing(tmp_path, spoil, recipe_weights):
    model = narrow()
    before = model.get_weights()
    path = write_h5(tmp_path / "weights.h5", recipe_weights(5, model))
    spoil(path)
    with pytest.raises(ArtifactError, match=SPOILED[spoil]) as error:
        load_vggface_weights(model, path)
    assert str(path) in str(error.value)
    for value, old in zip(model.get_weights(), before):
        np.testing.assert_array_equal(value, old)


def test_a_missing_file(tmp_path):
    with pytest.raises(ArtifactError, match="nothing.h5"):
        vggface_features(tmp_path / "nothing.h5", image_size=32, width=0.125)
