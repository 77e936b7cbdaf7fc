"""A run folder of any study says what it is, and its networks come back whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kaffect.cli import main
from kaffect.errors import ArtifactError
from kaffect.faces.crops import CropRule
from kaffect.files import read_json, write_manifest
from kaffect.labels import AFF_WILD, AFF_WILD2
from kaffect.serving.golden import golden_pictures
from kaffect.training.checkpoints import CheckpointFolder, weights_hash
from kaffect.training.networks import build_encoder, build_network
from kaffect.training.precision import precision_here
from kaffect.training.runs import (
    RunDescription,
    content_hash,
    find_run,
    load_gan,
    load_run,
    save_encoder,
)
from tests import golden_artefacts
from tests.data.drawing import contents
from tests.golden_artefacts import FRAMEWISE, draw, framewise_run, gan_run, recognition_run

pytestmark = pytest.mark.precision
# In what the machine, or the environment, says: every precision is loaded as it was saved.
# A training records what "auto" meant.
PRECISION = {"train.precision": precision_here("auto")}
RECOGNITION = golden_artefacts.RECOGNITION.changed(PRECISION)
PLACE = Path("checkpoints", "row-01-seed-0")


@pytest.fixture
def recognition(tmp_path: Path) -> Path:
    """The folder of a run with a fixed CNN, in results that were moved."""
    recognition_run(tmp_path / "a", RECOGNITION)
    return (tmp_path / "a").rename(tmp_path / "elsewhere") / PLACE


def test_a_run_on_sequences_comes_back(recognition: Path) -> None:
    run = load_run(recognition)
    images = golden_pictures((1, 4), 32)
    expected = run.networks.trained(run.networks.encoder(images[0]).numpy()[np.newaxis])
    outputs = run.networks.whole(np.tile(images, (1, 3, 1, 1, 1)))  # of any length
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name][:, :4], value, atol=1e-5)
    assert outputs["expression_logits"].shape == (1, 12, 8)
    assert run.step == 3 and run.description.label_space == AFF_WILD2
    assert run.description.crop_rule.image_size == 32 and run.description.score == 0.5


def test_a_run_trained_end_to_end_comes_back(tmp_path: Path) -> None:
    config = RECOGNITION.changed({"train.cnn": "end_to_end"})
    network = draw(build_network(config, AFF_WILD))
    CheckpointFolder(tmp_path).save(3, {"network": network}, {}, best=True)
    RunDescription(
        "recognition", config, AFF_WILD, CropRule(image_size=32), 30, {"name": "x"}
    ).write(tmp_path)
    found = load_run(tmp_path).networks
    assert found.encoder is None
    images = golden_pictures((1, 4), 32)
    for name, value in network(images).items():
        np.testing.assert_allclose(found.whole(images)[name], value, atol=1e-5)


def test_a_run_on_single_frames_comes_back(tmp_path: Path) -> None:
    expected = framewise_run(tmp_path, FRAMEWISE.changed(PRECISION))
    run = load_run(tmp_path)
    for name, value in run.networks(golden_pictures((4,), 32), training=False).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)
    assert run.description.thresholds["AU1"] == -1.5
    with pytest.raises(ArtifactError, match="expected a trained GAN.*study framewise"):
        load_gan(tmp_path)


def test_what_is_missing_is_named(recognition: Path) -> None:
    results = recognition.parents[1]
    (results / "encoders").rename(results.parent / "away")
    with pytest.raises(ArtifactError, match="encoders/[0-9a-f]{16}: missing"):
        load_run(recognition)
    path = recognition / "run.json"
    values = read_json(path)
    values.pop("seal", None)
    path.write_text(json.dumps({**values, "encoder": "../../../away/seed-0"}))
    with pytest.raises(Exception, match="leaves the folder"):
        load_run(recognition)
    path.write_text(json.dumps({**values, "crop_rule": {"mode": "paper"}}))
    with pytest.raises(ArtifactError, match="Crop rule"):
        load_run(recognition)
    path.write_text('{"schema": 2, "kind": "table"}')
    with pytest.raises(ArtifactError, match="not the description of a run"):
        load_run(recognition)
    with pytest.raises(ArtifactError, match="no finished run"):
        find_run(results.parent / "nothing")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gan.json", '{"kind": "gan", "config": {"configuration": 1}}'),
        ("frames.json", '{"kind": "frame run", "config": {}}'),
        ("run.json", '{"kind": "recognition run", "config": {}}'),
    ],
)
def test_a_folder_of_an_earlier_version_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text(text)
    out = tmp_path / "predictions"
    clip = tmp_path / "clip.png"
    clip.write_bytes(b"")
    for command in (
        ["export", "--run", str(tmp_path / "run"), "--out", str(tmp_path / "m" / "1")],
        ["predict", str(clip), "--model", str(tmp_path / "run"), "--out", str(out)],
    ):
        assert main(command) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert f"run/{name}: a run of an earlier version of kaffect; export it with the" in line
        assert line.endswith("version that trained it, or train it again")
    assert not out.exists() and not (tmp_path / "m").exists()


# --- the fixed CNN beside the rows ---------------------------------------------------------------


def test_a_swapped_cnn_is_refused(recognition: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _another_encoder(recognition)  # complete, with a manifest of its own
    expected = r"not the CNN that .*row-01-seed-0 was trained behind. .*Expected [0-9a-f]{16}\."
    with pytest.raises(ArtifactError, match=expected):
        load_run(recognition)
    out = recognition.parents[1] / "m" / "1"
    assert main(["export", "--run", str(recognition), "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "not the CNN" in line and not out.exists()


def test_another_cnn_of_the_same_seed_leaves_the_first_alone(recognition: Path) -> None:
    results = recognition.parents[1]
    (kept,) = (results / "encoders").iterdir()
    before, files = content_hash(recognition), contents(kept)
    images = golden_pictures((4,), 32)
    expected = load_run(recognition).networks.encoder(images)
    other = save_encoder(results, build_encoder(RECOGNITION), "another")
    assert other != kept and len(list((results / "encoders").iterdir())) == 2
    assert content_hash(recognition) == before and contents(kept) == files
    run = load_run(recognition)
    np.testing.assert_array_equal(run.networks.encoder(images), expected)
    again = save_encoder(results, run.networks.encoder, "said otherwise")
    assert again == kept and contents(kept) == files


def test_the_name_of_a_cnn_is_of_its_weights_alone(recognition: Path) -> None:
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        encoder = load_run(recognition, policy=policy).networks.encoder
        assert weights_hash(encoder) == next((recognition.parents[1] / "encoders").iterdir()).name
        kernel = encoder.get_layer("fc6").kernel
        kernel.assign(kernel + np.eye(*kernel.shape))
        assert not (recognition.parents[1] / "encoders" / weights_hash(encoder)).exists()


# --- the hash of what an export is made from -----------------------------------------------------


def _another_setting(folder: Path) -> None:
    described = RunDescription.read(folder)
    config = described.config.changed({"data.sequence_length": 5})
    dataclasses.replace(described, config=config).write(folder)


def _other_weights(folder: Path) -> None:
    network = build_network(RECOGNITION, AFF_WILD2)
    CheckpointFolder(folder).save(3, {"network": network}, {"best_step": 3}, best=True)


def _another_encoder(folder: Path) -> None:
    (kept,) = (folder.parents[1] / "encoders").iterdir()
    CheckpointFolder(kept).save(0, {"encoder": build_encoder(RECOGNITION)}, {"origin": "drawn"})


def _one_byte(folder: Path) -> None:
    """As a byte of the file changes, and with it the manifest that states its hash."""
    path = next((folder / "step-00000003").glob("variables.data-*"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(bytes(content))
    (folder / "step-00000003" / "manifest.json").unlink()
    write_manifest(path.parent, {"schema": 1, "kind": "checkpoint", "step": 3})


def _thresholds(folder: Path) -> None:
    described = RunDescription.read(folder)
    dataclasses.replace(described, thresholds={"AU1": 0.5}).write(folder)


@pytest.mark.parametrize(
    "change", [_another_setting, _other_weights, _another_encoder, _one_byte, _thresholds]
)
def test_the_content_hash_tells_runs_apart(
    recognition: Path, change: Callable[[Path], None]
) -> None:
    before = content_hash(recognition)
    moved = recognition.parents[1].rename(recognition.parents[2] / "moved") / PLACE
    assert content_hash(moved) == before, "nothing depends on the place"
    change(moved)
    assert content_hash(moved) != before


def test_the_best_and_the_last_checkpoint_have_each_a_hash(recognition: Path) -> None:
    assert content_hash(recognition) == content_hash(recognition, "last")
    network = draw(build_network(RECOGNITION, AFF_WILD2), 0.1)
    before = content_hash(recognition)
    CheckpointFolder(recognition).save(4, {"network": network}, {})
    assert content_hash(recognition) == before != content_hash(recognition, "last")


def test_a_run_in_the_folder_of_an_earlier_version_is_read(recognition: Path) -> None:
    (recognition / "frames.json").write_text('{"kind": "frame run"}')
    assert RunDescription.read(recognition).score == 0.5


def test_a_gan_is_found_by_its_own_folder(tmp_path: Path) -> None:
    gan_run(tmp_path / PLACE)
    with pytest.raises(ArtifactError, match=r"of one trained GAN.*Received: .*row-01-seed-0"):
        load_gan(tmp_path)
    assert load_gan(tmp_path / PLACE).unit_names == ()
