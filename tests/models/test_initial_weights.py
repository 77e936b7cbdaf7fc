"""Published weights go where they belong, whatever their file is called (Section IV-B)."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from kaffect.errors import ArtifactError, ConfigError
from kaffect.models import fill_encoder, fill_sequence_head, frame_encoder, sequence_head
from kaffect.weight_files import content_of, find_weights
from tests.published_weights import (
    NAMES,
    affwildnet,
    convolutions,
    gru_answers,
    write_checkpoint,
    write_vggface,
)

WIDTH, UNITS = 1 / 32, 12


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_checkpoint(tmp_path_factory.mktemp("ck"), affwildnet(WIDTH, UNITS, units=6))


def encoder(fc_units: int = UNITS, width: float = WIDTH) -> keras.Model:
    return frame_encoder(96, width, fc_units, "paper", seed=2)


def values(model: keras.Model, name: str) -> list[np.ndarray]:
    found: list[np.ndarray] = model.get_layer(name).get_weights()
    return found


def test_what_a_file_is_its_content_says(tmp_path: Path, checkpoint: str) -> None:
    file = write_vggface(tmp_path / "model.ckpt-1.index", WIDTH)  # a misleading name
    assert find_weights(file).format == "hdf5"
    for name in (checkpoint, f"{checkpoint}.index", f"{checkpoint}.meta", Path(checkpoint).parent):
        found = find_weights(name)
        assert (found.format, str(found.path)) == ("tensorflow", checkpoint)
        assert [file.suffix for file in found.files] == [".index", ".data-00000-of-00001"]
    (tmp_path / "weights.h5").write_bytes(b"neither")
    assert find_weights(tmp_path / "weights.h5").format == "other"
    with pytest.raises(ConfigError, match="keras-vggface notop file .* Received: 'another file'"):
        fill_encoder(encoder(), tmp_path / "weights.h5")
    with pytest.raises(ConfigError, match="nothing.h5: no such file"):
        find_weights(tmp_path / "nothing.h5")
    with pytest.raises(ConfigError, match="a folder with one checkpoint. Received: 'none'"):
        find_weights(tmp_path)


def test_a_checkpoint_is_named_by_all_its_files(tmp_path: Path, checkpoint: str) -> None:
    other = tmp_path / "renamed"
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(checkpoint + suffix, f"{other}{suffix}")
    assert content_of(str(other)) == content_of(checkpoint) != checkpoint
    data = Path(f"{other}.data-00000-of-00001")
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    assert content_of(str(other)) != content_of(checkpoint)
    data.unlink()
    with pytest.raises(ConfigError, match="incomplete checkpoint"):
        find_weights(other)


def test_of_several_checkpoints_the_state_file_names_one(tmp_path: Path, checkpoint: str) -> None:
    for name in ("a", "b"):
        for suffix in (".index", ".data-00000-of-00001"):
            shutil.copy(checkpoint + suffix, tmp_path / f"{name}{suffix}")
    with pytest.raises(ConfigError, match="one checkpoint. Received: 'a, b'"):
        find_weights(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/their/own/folder/b"\n')
    assert find_weights(tmp_path).path == tmp_path / "b"


def test_vggface_fills_the_convolutions_alone(tmp_path: Path) -> None:
    model, file = encoder(), write_vggface(tmp_path / "w.h5", WIDTH)
    before = values(model, "fc6")
    assert fill_encoder(model, file) == tuple(NAMES)
    for name, wanted in zip(NAMES, convolutions(WIDTH)):
        for found, array in zip(values(model.get_layer("vggface"), name), wanted):
            np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(values(model, "fc6")[0], before[0])


def test_affwildnet_fills_the_fully_connected_layer_too(checkpoint: str) -> None:
    variables, model = affwildnet(WIDTH, UNITS, units=6), encoder()
    assert fill_encoder(model, checkpoint) == (*NAMES, "fc6")
    np.testing.assert_array_equal(values(model, "fc6")[0], variables["linear_1/weights"])
    np.testing.assert_array_equal(values(model, "fc6")[1], variables["linear_1/biases"])
    for place, name in enumerate(NAMES, start=1):
        found = values(model.get_layer("vggface"), name)
        np.testing.assert_array_equal(found[0], variables[f"conv_{place}/weights"])
    other = encoder(fc_units=8)
    before = values(other, "fc6")
    assert fill_encoder(other, f"{checkpoint}.index") == tuple(NAMES)
    np.testing.assert_array_equal(values(other, "fc6")[0], before[0])


def test_another_width_names_the_setting(tmp_path: Path, checkpoint: str) -> None:
    file = write_vggface(tmp_path / "w.h5", WIDTH)
    for path in (file, checkpoint):
        model = encoder(width=1 / 16)
        before = model.get_weights()
        with pytest.raises(ArtifactError, match=r"--set model.width=0.03125\)"):
            fill_encoder(model, path)
        for found, old in zip(model.get_weights(), before):
            np.testing.assert_array_equal(found, old)


def head(units: tuple[int, ...] = (6, 6)) -> keras.Model:
    return sequence_head(None, UNITS, gru_units=units, attention_length=4, dropout=0.0, seed=3)


def test_recurrent_layers_start_where_affwildnet_ended(checkpoint: str) -> None:
    model, variables = head(), affwildnet(WIDTH, UNITS, units=6)
    features = np.random.default_rng(1).uniform(0, 2, (1, 9, UNITS)).astype("float32")
    expected = gru_answers(variables, features[0])
    assert np.abs(expected).max() > 0.1
    assert np.abs(model(features)["valence_arousal"][0] - expected).max() > 0.05
    fill_sequence_head(model, checkpoint)
    np.testing.assert_allclose(model(features)["valence_arousal"][0], expected, atol=1e-5)


def test_recurrent_layers_of_another_size_or_none(tmp_path: Path, checkpoint: str) -> None:
    with pytest.raises(ArtifactError, match="gates/kernel does not fit"):
        fill_sequence_head(head((5, 5)), checkpoint)
    with pytest.raises(ArtifactError, match="model.gru_units. Expected 3. Received: 2"):
        fill_sequence_head(head((6, 6, 6)), checkpoint)
    frames = {n: v for n, v in affwildnet(WIDTH, UNITS).items() if not n.startswith("rnn_1/")}
    with pytest.raises(ArtifactError, match="without recurrent layers.*model.start=cnn"):
        fill_sequence_head(head(), write_checkpoint(tmp_path, frames))
    with pytest.raises(ConfigError, match="model.start=all. Expected a TensorFlow checkpoint"):
        fill_sequence_head(head(), write_vggface(tmp_path / "w.h5", WIDTH))


def test_a_checkpoint_of_another_network(tmp_path: Path) -> None:
    variables = affwildnet(WIDTH, UNITS, units=6)
    del variables["conv_7/weights"]
    with pytest.raises(ArtifactError, match="not an AffWildNet checkpoint: .*conv_7/weights"):
        fill_encoder(encoder(), write_checkpoint(tmp_path, variables))
