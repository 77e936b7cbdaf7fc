"""From a results folder to an export: the best row, its metrics and only what it trained."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kaffect.cli import main
from kaffect.config import RecognitionConfig
from kaffect.errors import ArtifactError, ConfigError
from kaffect.faces.crops import CropRule
from kaffect.labels import AFF_WILD, AFF_WILD2
from kaffect.metrics.thresholds import probabilities
from kaffect.serving import mobile, run_export
from kaffect.serving.card import CARD
from kaffect.serving.golden import golden_pictures, read_golden
from kaffect.serving.loading import load_export
from kaffect.serving.mobile import check_tflite
from kaffect.serving.onnx_model import check_onnx
from kaffect.serving.predict import run
from kaffect.serving.run_export import cached_export, export_run
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.gan import build_networks
from kaffect.training.gan_images import normalise
from kaffect.training.networks import build_encoder, build_network
from kaffect.training.runs import RunDescription, find_run, load_run, save_encoder
from tests import golden_artefacts
from tests.data.drawing import write_video

from .predict.clips import SquareDetector, scene

CONFIG = RecognitionConfig().changed({
    "data.image_size": 32, "data.sequence_length": 6, "model.width": 1 / 32, "model.fc_units": 8,
    "model.gru_units": (5,), "model.attention_length": 3,
})  # fmt: skip
PLACE = Path("checkpoints", "row-01-seed-0")

pytestmark = pytest.mark.precision


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Two rows with one CNN; the second is better on validation and trains valence/arousal only."""
    return write_results(tmp_path_factory.mktemp("results"), CONFIG)


def write_results(root: Path, base: RecognitionConfig) -> Path:
    kept = save_encoder(root, build_encoder(base), "by hand")
    for number, score, weight in ((1, 0.2, 0.5), (2, 0.7, 1.0)):
        config = base.changed({"loss.va_weight": weight, "loss.expression_weight": 1 - weight})
        folder = root / "checkpoints" / f"row-{number:02d}-seed-0"
        network = build_network(config, AFF_WILD)
        CheckpointFolder(folder).save(5, {"network": network}, {}, best=True)
        RunDescription(
            "recognition",
            config,
            AFF_WILD,
            CropRule(image_size=32),
            30,
            {"name": "drawn", "kind": "synthetic"},
            metrics={"validation": {"score": score}, "test": {"ccc_valence": score / 2}},
            notes=("a note",),
            encoder=f"../../encoders/{kept.name}",
        ).write(folder)
    return root


def test_the_best_row_is_exported(results: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "va" / "1"
    assert main(["export", "--run", str(results), "--out", str(out), "--tflite", "--onnx"]) == 0
    assert "exported and checked" in capsys.readouterr().out
    export = load_export(out)
    images = np.random.default_rng(1).integers(0, 256, (2, 8, 32, 32, 3), dtype=np.uint8)
    found = export.run("serving_default", images=images)
    assert set(found) == {"valence_arousal"}  # its other head was never trained
    network = load_run(results / "checkpoints" / "row-02-seed-0").networks.whole
    for part in (slice(0, 6), slice(6, 8)):  # it was trained on sequences of 6
        wanted = network(images[:, part])["valence_arousal"]
        np.testing.assert_allclose(found["valence_arousal"][:, part], wanted, atol=1e-5)
    assert export.facts.metrics["test"] == {"ccc_valence": 0.35}
    manifest, (inputs, outputs) = export.manifest, read_golden(out)
    lite = out / "assets.extra" / "one_frame.tflite"
    assert check_tflite(lite, manifest, inputs, outputs) <= 1e-5  # with LiteRT
    with pytest.MonkeyPatch.context() as patch:  # where that is not installed
        patch.setattr(mobile.importlib.util, "find_spec", lambda name: None)
        assert check_tflite(lite, manifest, inputs, outputs) <= 1e-5
    with pytest.raises(ArtifactError, match="does not give the golden outputs"):
        check_tflite(lite, manifest, inputs, {**outputs, "valence_arousal": inputs["images"]})
    onnx = out / "assets.extra" / "one_frame.onnx"
    assert check_onnx(onnx, manifest, inputs, outputs) <= 1e-4
    with pytest.raises(ArtifactError, match="one_frame.onnx does not give the golden outputs"):
        wrong = {**outputs, "valence_arousal": outputs["valence_arousal"] + 1e-3}
        check_onnx(onnx, manifest, inputs, wrong)
    card = (out / "MODEL_CARD.md").read_text()
    assert "knows no real face" in card and "a note" in card
    assert main(["export", "--check", str(out)]) == 0
    assert "as it was written" in capsys.readouterr().out


def test_a_row_can_be_chosen(results: Path) -> None:
    assert find_run(results).name == "row-02-seed-0"
    assert find_run(results, row=1).name == "row-01-seed-0"
    assert find_run(results / "checkpoints" / "row-01-seed-0").name == "row-01-seed-0"
    with pytest.raises(ArtifactError, match="row 3"):
        find_run(results, row=3)
    with pytest.raises(ConfigError, match="is no GAN"):
        export_run(results, results / "x" / "1", part="generator")
    with pytest.raises(ConfigError, match="--precision"):
        export_run(results, results / "x" / "1", precision="float64")


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_precision_of_a_run_can_be_kept(policy: str, tmp_path: Path) -> None:
    root = write_results(tmp_path / "run", CONFIG.changed({"train.precision": policy}))
    kept, plain = tmp_path / "kept" / "1", tmp_path / "plain" / "1"
    export_run(root, kept, precision="run")
    export_run(root, plain)
    manifests = {out: load_export(out).manifest["precision"] for out in (kept, plain)}
    assert manifests == {kept: policy, plain: "float32"}
    images = np.random.default_rng(1).integers(0, 256, (1, 6, 32, 32, 3), dtype=np.uint8)
    network = load_run(root / "checkpoints" / "row-02-seed-0").networks.whole
    wanted = network(images)["valence_arousal"]
    found = {out: load_export(out).run("serving_default", images=images) for out in manifests}
    apart = {out: np.abs(f["valence_arousal"] - wanted).max() for out, f in found.items()}
    assert apart[kept] <= apart[plain] and apart[kept] < 1e-3
    assert f"Computed in {policy}, as this export computes." in (kept / CARD).read_text()
    text = f"Computed in {policy}; this export computes in float32, so its own scores differ"
    assert text in (plain / CARD).read_text()


def test_a_run_on_single_frames_is_exported(tmp_path: Path) -> None:
    config = golden_artefacts.FRAMEWISE.changed({"train.precision": "auto"})
    golden_artefacts.framewise_run(tmp_path / PLACE, config)
    path = export_run(tmp_path, tmp_path / "resnet" / "1", precision="run")
    export, images = load_export(path), golden_pictures((3,), 32)
    answers = export.run("serving_default", images=images)
    expected = load_run(tmp_path / PLACE).networks(images)
    for name in ("valence_arousal", "expression_logits"):
        np.testing.assert_allclose(answers[name], expected[name], atol=1e-4)
    card, units = (path / CARD).read_text(), AFF_WILD2.action_units
    # 1 / (1 + exp(1.5)) = 0.182
    assert f"these probabilities: {units[0]} 0.182" in card
    assert f"{units[-1]} 1 (logit 40.5)" in card
    assert export.facts.action_unit_logit_thresholds[units[-1]] == 40.5
    assert export.facts.metrics == {"validation": {"score": 1.0}, "test": {"au_f1": 0.5}}


def test_a_gan_is_exported(tmp_path: Path) -> None:
    golden_artefacts.gan_run(tmp_path / PLACE)
    generator = load_export(export_run(tmp_path, tmp_path / "faces" / "1"))
    z = np.zeros((1, 100), np.float32)
    assert generator.run("serving_default", latents=z)["images"].shape == (1, 32, 32, 3)
    assert generator.facts.metrics == {}  # they are of the discriminator
    judge = load_export(export_run(tmp_path, tmp_path / "judge" / "1", part="discriminator"))
    assert judge.facts.metrics == {"validation": {"score": 0.1}}
    assert set(judge.manifest["signatures"]["serving_default"]["outputs"]) == {
        "valence_arousal",
        "fake_probability",
    }
    with pytest.raises(ConfigError, match="--tflite"):
        export_run(tmp_path, tmp_path / "lite" / "1", tflite=True)
    with pytest.raises(ConfigError, match="--onnx"):
        export_run(tmp_path, tmp_path / "lite" / "1", onnx=True)
    assert main(["export", "--run", str(tmp_path / "no"), "--out", str(tmp_path / "m" / "1")]) == 2
    assert main(["export"]) == 2


def test_an_averaged_discriminator_is_exported_as_it_was_scored(tmp_path: Path) -> None:
    """Its averaged weights, not the last ones, and the thresholds of its scores."""
    config = golden_artefacts.GAN.changed({
        "loss.tasks": ("va", "au"), "train.discriminator_ema": 0.9,
        "train.thresholds": "validation",
    })  # fmt: skip
    folder = tmp_path / PLACE
    golden_artefacts.gan_run(folder, config)
    trainer = load_run(folder).networks
    rng = np.random.default_rng(0)
    for average in trainer.discriminator_average.averages:
        average.assign(np.abs(rng.normal(size=average.shape)).astype(np.float32))
    CheckpointFolder(folder).save(6, trainer.saved, {}, best=True)
    logits = dict(zip(AFF_WILD.action_units, np.linspace(-2, 2, 8).tolist()))
    dataclasses.replace(RunDescription.read(folder), thresholds=logits).write(folder)
    judge = load_export(export_run(tmp_path, tmp_path / "judge" / "1", part="discriminator"))
    card = (tmp_path / "judge" / "1" / CARD).read_text()
    cuts = probabilities(list(logits.values()))
    shown = ", ".join(f"{name} {cut:g}" for name, cut in zip(logits, cuts))
    assert f"count as active from these probabilities: {shown}." in card
    assert "weights: their moving average over training" in card
    images = golden_pictures((2,), 32)
    _, expected = build_networks(config, AFF_WILD)
    trainer.discriminator_average.copy_to(expected)
    wanted = expected(normalise(tf.constant(images), 32), training=False)
    found = judge.run("serving_default", images=images)["valence_arousal"]
    np.testing.assert_allclose(found, trainer.heads.split(wanted)["valence_arousal"], atol=1e-5)
    last = trainer.discriminator(normalise(tf.constant(images), 32), training=False)
    assert not np.allclose(found, trainer.heads.split(last)["valence_arousal"], atol=1e-3)


# --- `kaffect predict --model` of a training -----------------------------------------------------


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight frames with one person; trainings are exported below `tmp_path`."""
    monkeypatch.setattr(run, "detector_of", lambda *_: SquareDetector())
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))
    return write_video(tmp_path / "clip.mp4", [scene((20 + k, 30)) for k in range(8)], 25)


def predicted(clip: Path, model: Path, out: Path) -> str:
    assert main(["predict", str(clip), "--model", str(model), "--out", str(out)]) == 0
    (table,) = out.glob("*.csv")
    return table.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["recognition", "framewise", "gan"])
def test_a_training_predicts_what_its_export_predicts(
    tmp_path: Path, clip: Path, kind: str
) -> None:
    root = tmp_path / "results"
    if kind == "recognition":
        golden_artefacts.recognition_run(root)
    elif kind == "framewise":
        golden_artefacts.framewise_run(root / PLACE)
    else:
        golden_artefacts.gan_run(root / PLACE)
    part = "discriminator" if kind == "gan" else None
    exported = export_run(root, tmp_path / "model" / "1", part=part)
    wanted = predicted(clip, exported, tmp_path / "a")
    assert len(wanted.splitlines()) == 9
    for number, model in enumerate((root / PLACE, root)):
        assert predicted(clip, model, tmp_path / str(number)) == wanted
    assert len(list((tmp_path / "home" / "exports").iterdir())) == 1, "one export for both"


def test_an_export_in_the_cache_is_of_these_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is trained anew in its folder is exported anew; one that is not, is not."""
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))
    folder = tmp_path / "results" / PLACE
    golden_artefacts.framewise_run(folder)
    first = cached_export(folder)
    written = (first / "manifest.json").stat().st_mtime_ns
    moved = shutil.move(tmp_path / "results", tmp_path / "moved")
    assert cached_export(moved / PLACE) == first
    assert (first / "manifest.json").stat().st_mtime_ns == written
    network = load_run(moved / PLACE).networks
    golden_artefacts.draw(network, 0.06)
    CheckpointFolder(moved / PLACE).save(5, {"network": network}, {}, best=True)
    second = cached_export(moved / PLACE)
    assert second != first and second.name == first.name and second.parent.name == folder.name
    images = golden_pictures((1,), 32)
    answers = [load_export(e).run("serving_default", images=images) for e in (first, second)]
    assert np.abs(answers[0]["valence_arousal"] - answers[1]["valence_arousal"]).max() > 1e-3
    # An export that another version writes otherwise is not taken for its own.
    seen: list[Path] = []
    monkeypatch.setattr(run_export, "SCHEMA", 99)
    monkeypatch.setattr(run_export, "export_run", lambda _, out, **__: seen.append(out))
    assert cached_export(moved / PLACE) == seen[0] != second
