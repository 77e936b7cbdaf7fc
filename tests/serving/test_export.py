"""Exports compute what the Keras network does, for every batch, length and signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ArtifactError, ConfigError
from kaffect.losses import Heads
from kaffect.models import (
    dcgan_generator,
    frame_classifier,
    frame_encoder,
    ssgan_discriminator,
)
from kaffect.serving import export
from kaffect.serving.export import export_discriminator, export_generator, export_model
from kaffect.serving.facts import Facts
from kaffect.serving.golden import golden_pictures, zero_state
from kaffect.serving.loading import Export, check_export, load_export
from kaffect.serving.predictor import Predictor
from kaffect.training.gan_images import normalise, to_pixels


def pictures(*shape: int, size: int = 96, seed: int = 0) -> np.ndarray:
    return golden_pictures(shape, size, seed)


def expected(network: keras.Model, images: np.ndarray, reset: int = 80) -> dict[str, np.ndarray]:
    """Windows of 80 frames through Keras, one after the other, softmax in NumPy."""
    parts = [network(images[:, i : i + reset]) for i in range(0, images.shape[1], reset)]
    joined = {name: np.concatenate([p[name] for p in parts], 1) for name in parts[0]}
    powers = np.exp(joined["expression_logits"].astype(np.float64))
    joined["expression_probabilities"] = powers / powers.sum(-1, keepdims=True)
    return joined


@pytest.mark.parametrize(("batch", "time"), [(1, 1), (17, 1), (1, 80), (3, 81), (1, 200), (2, 33)])
def test_parity_with_keras(
    sequence_export: Export, sequence_network: keras.Model, batch: int, time: int
) -> None:
    images = pictures(batch, time)
    found = sequence_export.run("serving_default", images=images)
    wanted = expected(sequence_network, images)
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        assert found[name].shape == (batch, time, values.shape[-1])
        np.testing.assert_allclose(found[name], values, atol=1e-5)
    assert wanted["valence_arousal"].std() > 1e-3  # not parity of constants


@pytest.mark.nightly
def test_parity_of_the_largest_corner(
    sequence_export: Export, sequence_network: keras.Model
) -> None:
    images = pictures(17, 200)
    found = sequence_export.run("serving_default", images=images)
    for name, values in expected(sequence_network, images).items():
        np.testing.assert_allclose(found[name], values, atol=1e-5)


def test_a_whole_sequence_starts_anew_every_80_frames(sequence_export: Export) -> None:
    images = pictures(1, 100)
    whole = sequence_export.run("serving_default", images=images)["valence_arousal"]
    tail = sequence_export.run("serving_default", images=images[:, 80:])["valence_arousal"]
    np.testing.assert_allclose(whole[:, 80:], tail, atol=1e-6)
    alone = sequence_export.run("serving_default", images=images[:, 79:])["valence_arousal"]
    assert np.abs(whole[:, 80:] - alone[:, 1:]).max() > 1e-4  # the state does matter


def test_a_stream_carries_its_state(sequence_export: Export, sequence_network: keras.Model) -> None:
    images = pictures(2, 90)
    whole = sequence_network(images)["valence_arousal"].numpy()  # 90 frames, no reset
    state = zero_state(sequence_export.manifest, 2)
    for t in range(90):
        answer = sequence_export.run("serve_stream", images=images[:, t], **state)
        state = {name: answer[name] for name in state}
        np.testing.assert_allclose(answer["valence_arousal"], whole[:, t], atol=1e-5)
    assert (answer["state_filled"] == 5).all()
    assert answer["state_window"].shape == (2, 5, 6)


def test_features_continue_a_state(sequence_export: Export) -> None:
    images = pictures(1, 7)
    features = sequence_export.run("encode", images=images[0])["features"]
    assert features.shape == (7, 12) and (features >= 0).all()
    state = zero_state(sequence_export.manifest, 1)
    first = sequence_export.run("serve_features", features=features[None, :3], **state)
    state = {name: first.pop(name) for name in state}
    second = sequence_export.run("serve_features", features=features[None, 3:], **state)
    joined = np.concatenate([first["valence_arousal"], second["valence_arousal"]], 1)
    whole = sequence_export.run("serving_default", images=images)["valence_arousal"]
    np.testing.assert_allclose(joined, whole, atol=1e-6)


def test_encoded_pictures(sequence_export: Export) -> None:
    images = pictures(1, 3)
    files = [[tf.io.encode_png(picture).numpy() for picture in images[0]]]
    found = sequence_export.run("serve_jpeg", images=np.array(files, object))
    wanted = sequence_export.run("serving_default", images=images)
    np.testing.assert_allclose(found["valence_arousal"], wanted["valence_arousal"], atol=1e-6)
    # No picture stands for "no face"; one of twice the size is shrunk.
    grey = np.full((96, 96, 3), 128, np.uint8)
    double = np.repeat(np.repeat(images[0, 0], 2, 0), 2, 1)
    files = [[b"", tf.io.encode_png(double).numpy()]]
    found = sequence_export.run("serve_jpeg", images=np.array(files, object))
    wanted = sequence_export.run(
        "serving_default", images=np.stack([grey, images[0, 0]])[np.newaxis]
    )
    np.testing.assert_allclose(found["valence_arousal"], wanted["valence_arousal"], atol=2e-2)
    np.testing.assert_allclose(
        found["valence_arousal"][:, 0], wanted["valence_arousal"][:, 0], atol=1e-6
    )


def test_single_pictures(frame_export: Path, frame_network: keras.Model) -> None:
    export = load_export(frame_export)
    images = pictures(37, size=32)  # more than go through the network at once
    found = export.run("serving_default", images=images)
    logits = frame_network((images.astype(np.float32) - 128) / 128)
    units = 1 / (1 + np.exp(-logits["action_unit_logits"].numpy()))
    np.testing.assert_allclose(found["action_unit_probabilities"], units, atol=1e-5)
    np.testing.assert_allclose(found["action_unit_logits"], logits["action_unit_logits"], atol=1e-4)
    named = Predictor(export).named({name: value[0] for name, value in found.items()})
    assert named["AU1"] == pytest.approx(float(units[0, 0]), abs=1e-5), "not the logit"
    np.testing.assert_allclose(found["valence_arousal"], logits["valence_arousal"], atol=1e-5)
    np.testing.assert_allclose(found["expression_probabilities"].sum(-1), 1, atol=1e-5)
    assert export.run("encode", images=images)["features"].shape == (37, 9)
    assert "serve_stream" not in export.signatures


@pytest.mark.parametrize(
    "policy", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.nightly)]
)
def test_single_pictures_in_mixed_precision(tmp_path: Path, policy: str) -> None:
    """Its features are float32 too, and its graph holds nothing that is refused."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        encoder = frame_encoder(image_size=32, width=1 / 64, fc_units=9, seed=2)
        network = frame_classifier(encoder, action_units=0, seed=3)
    finally:
        keras.config.set_dtype_policy(before)
    out = export_model(network, tmp_path / "half" / "1", Facts("half"), precision=policy)
    export = load_export(out)
    images = pictures(3, size=32)
    found = export.run("serving_default", images=images)["valence_arousal"]
    wanted = network((images.astype(np.float32) - 128) / 128)["valence_arousal"]
    np.testing.assert_allclose(found, wanted, atol=3e-2)
    assert export.run("encode", images=images)["features"].dtype == np.float32


def test_only_the_outputs_that_were_asked_for(frame_network: keras.Model, tmp_path: Path) -> None:
    out = tmp_path / "va" / "1"
    export_model(frame_network, out, Facts("VA"), outputs=["valence_arousal"])
    assert set(load_export(out).run("serving_default", images=pictures(1, size=32))) == {
        "valence_arousal"
    }
    with pytest.raises(ConfigError, match="Outputs to serve"):
        export_model(frame_network, tmp_path / "x" / "1", Facts("?"), outputs=["valence"])
    assert not (tmp_path / "x").exists() or not list((tmp_path / "x").iterdir())


def test_generator_and_discriminator(tmp_path: Path) -> None:
    generator = dcgan_generator(width=1 / 64, seed=1)
    export = load_export(export_generator(generator, tmp_path / "faces" / "2", Facts("G")))
    z = np.random.default_rng(5).uniform(-1, 1, (3, 100)).astype(np.float32)
    faces = export.run("serving_default", latents=z)["images"]
    assert faces.dtype == np.uint8 and faces.shape == (3, 96, 96, 3)
    assert np.abs(faces.astype(int) - to_pixels(generator(z, training=False))).max() <= 1
    files = export.run("serve_png", latents=z)["images_bytes"]
    np.testing.assert_array_equal(tf.io.decode_png(files[1]).numpy(), faces[1])

    heads = Heads(valence_arousal=True, action_units=8)
    network = ssgan_discriminator(heads.outputs, width=1 / 16, seed=2)
    path = export_discriminator(network, heads, tmp_path / "judge" / "1", Facts("D"))
    images = pictures(2)
    found = load_export(path).run("serving_default", images=images)
    logits = network(normalise(images, 32), training=False).numpy()
    np.testing.assert_allclose(found["valence_arousal"], logits[:, :2], atol=1e-5)
    sigmoid = 1 / (1 + np.exp(-logits[:, 2:]))
    np.testing.assert_allclose(found["action_unit_probabilities"], sigmoid[:, :8], atol=1e-5)
    np.testing.assert_allclose(found["fake_probability"], sigmoid[:, 8:], atol=1e-5)


def test_what_an_export_says_of_itself(sequence_export: Export) -> None:
    manifest = sequence_export.manifest
    stream = manifest["signatures"]["serve_stream"]
    assert stream["inputs"]["images"] == {"dtype": "uint8", "shape": [None, 96, 96, 3]}
    assert stream["inputs"]["state_window"]["shape"] == [None, 5, 6]
    assert manifest["columns"]["expression_probabilities"][4] == "Happiness"
    assert (manifest["name"], manifest["version"], manifest["reset_every"]) == ("narrow", 1, 80)
    card = (sequence_export.folder / "MODEL_CARD.md").read_text()
    for word in ("Intended use", "Happiness", "| ccc_valence | 0.250 |", "without alignment"):
        assert word in card
    assert sequence_export.facts.crop_rule.image_size == 96


def test_goldens_are_checked(sequence_export: Export) -> None:
    found = check_export(sequence_export.folder)
    assert set(found) == set(sequence_export.signatures)
    assert max(found.values()) <= 1e-5


@pytest.mark.parametrize("name", ["a/latest", "a/0", "a/-1", "a/１"])
def test_a_version_is_a_number(frame_network: keras.Model, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="whole number from 1"):
        export_model(frame_network, tmp_path / name, Facts("?"))


def test_a_version_is_never_changed(frame_export: Path, frame_network: keras.Model) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        export_model(frame_network, frame_export, Facts("?"))


def test_of_two_exports_to_one_version_the_second_is_refused(
    frame_network: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "frames" / "1"
    check = export.check_export

    def another_is_faster(folder: Path) -> Any:
        if not out.exists():
            out.mkdir()
            (out / "manifest.json").write_text("the other's")
        return check(folder)

    monkeypatch.setattr(export, "check_export", another_is_faster)
    with pytest.raises(ArtifactError, match="exists already; it is not replaced"):
        export_model(frame_network, out, Facts("Second"))
    assert [path.name for path in out.parent.iterdir()] == ["1"]
    assert (out / "manifest.json").read_text() == "the other's"
