"""VGG-Face against keras-vggface's own numbers; its weights file; what an image becomes."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ArtifactError, ConfigError
from kaffect.models import (
    ImagePreprocessing,
    download_vggface_weights,
    frame_encoder,
    load_vggface_weights,
    vggface_features,
)
from kaffect.models.vggface import BLOCKS

GOLDEN = Path(__file__).parents[1] / "golden" / "vggface"
NAMES = [f"conv{b}_{i}" for b, (n, _) in enumerate(BLOCKS, 1) for i in range(1, n + 1)]


def recipe_weights(seed: int, model: keras.Model) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The golden file's weights, made as its README says, in the shapes of `model`."""
    weights = {}
    for i, name in enumerate(NAMES):
        shape = tuple(model.get_layer(name).kernel.shape)
        rng = np.random.default_rng(seed + i)
        kernel = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
        bias = rng.standard_normal(shape[-1]) * 0.05
        weights[name] = (kernel.astype("float32"), bias.astype("float32"))
    return weights


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


def test_features_are_those_of_keras_vggface():
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


def test_the_log_says_where_the_weights_come_from(tmp_path, caplog):
    with caplog.at_level("INFO", logger="kaffect"):
        model = narrow()
        assert "VGG-Face without weights of its own: He initialisation, seed 1" in caplog.text
        caplog.clear()
        load_vggface_weights(model, write_h5(tmp_path / "w.h5", recipe_weights(5, model)))
        assert f"VGG-Face weights read from {tmp_path / 'w.h5'}" in caplog.text


def test_he_initialisation_by_seed():
    first, again, other = (vggface_features(width=0.25, image_size=32, seed=s) for s in (1, 1, 2))
    for name in NAMES:
        kernel = first.get_layer(name).kernel.numpy()
        np.testing.assert_array_equal(kernel, again.get_layer(name).kernel)
        assert not np.array_equal(kernel, other.get_layer(name).kernel)
        assert kernel.std() == pytest.approx(np.sqrt(2 / np.prod(kernel.shape[:3])), rel=0.15), name
        assert not first.get_layer(name).bias.numpy().any()
    kernels = [first.get_layer(f"conv5_{i}").kernel.numpy().tobytes() for i in (1, 2, 3)]
    assert len(set(kernels)) == 3


@pytest.mark.parametrize("kernel", ["kernel:0", "W_of_an_older_keras"])
def test_weights_file_is_read_by_order(tmp_path, kernel):
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


def test_weights_go_into_the_cnn_of_a_whole_network(tmp_path):
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
def test_a_wrong_file_is_refused_and_changes_nothing(tmp_path, spoil):
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


class Server:
    """Answers of a publisher on this machine: path -> status, headers, body."""

    def __init__(self) -> None:
        answers = self.answers = {}
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                asked.append(self.path)
                status, headers, body = answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in {"Content-Length": len(body), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def test_download_with_a_checksum(server, tmp_path, monkeypatch):
    body = b"weights" * 1000
    server.answers["/w.h5"] = (200, {}, body)
    digest = hashlib.sha256(body).hexdigest()
    path = download_vggface_weights(digest.upper(), tmp_path / "w.h5", f"{server.url}/w.h5")
    assert path.read_bytes() == body
    download_vggface_weights(digest, path, f"{server.url}/w.h5")
    assert server.asked == ["/w.h5"]  # what is there and right is not fetched again
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))
    default = download_vggface_weights(digest, url=f"{server.url}/w.h5")
    assert default == tmp_path / "home" / "weights" / "rcmalli_vggface_tf_notop_vgg16.h5"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {}, b"another file"), "Expected SHA-256 0{64}. Received: [0-9a-f]{64}"),
        ((404, {}, b""), "cannot be downloaded.*404"),
        ((200, {"Content-Length": 9999}, b"cut short"), "ended after 9 of 9999 bytes"),
        ((200, {}, b"x" * 5000), "longer than 4096 bytes"),
    ],
)
def test_a_failed_download_keeps_what_was_there(server, tmp_path, monkeypatch, answer, message):
    monkeypatch.setattr("kaffect.models.vggface_weights._MOST_BYTES", 4096)
    server.answers["/w.h5"] = answer
    path = tmp_path / "w.h5"
    path.write_bytes(b"old")
    with pytest.raises(ArtifactError, match=message):
        download_vggface_weights("0" * 64, path, f"{server.url}/w.h5")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["w.h5"]


@pytest.mark.parametrize(
    "url", ["http://example.org/w.h5", "ftp://127.0.0.1/w", "file:///etc/passwd"]
)
def test_only_https(server, tmp_path, url):
    with pytest.raises(ConfigError, match="https only"):
        download_vggface_weights("0" * 64, tmp_path / "w.h5", url)
    server.answers["/moved"] = (302, {"Location": url}, b"")
    with pytest.raises((ConfigError, ArtifactError), match="https only|not allowed"):
        download_vggface_weights("0" * 64, tmp_path / "w.h5", f"{server.url}/moved")
    assert not list(tmp_path.iterdir())


def test_a_checksum_is_required(tmp_path):
    with pytest.raises(TypeError):
        download_vggface_weights()
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        download_vggface_weights("abc", tmp_path / "w.h5")


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


def test_preprocessing_settings():
    layer = ImagePreprocessing("vggface", name="p")
    assert ImagePreprocessing.from_config(layer.get_config()).mode == "vggface"
    with pytest.raises(ConfigError, match="one of 'paper', 'vggface'. Received: 'caffe'"):
        ImagePreprocessing("caffe")


@pytest.mark.parametrize("settings", [{"image_size": 0}, {"width": 0.0}, {"image_size": 9.5}])
def test_sizes_must_be_positive(settings):
    with pytest.raises(ConfigError, match="positive"):
        vggface_features(**settings)
