"""From a results folder to an export: the best row, its metrics and only what it trained."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kaffect.cli import main
from kaffect.config import DataConfig, LossConfig, ModelConfig, RunConfig
from kaffect.errors import ArtifactError, ConfigError
from kaffect.faces.crops import CropRule
from kaffect.labels import AFF_WILD
from kaffect.serving.card import CARD
from kaffect.serving.golden import read_golden
from kaffect.serving.loading import load_export
from kaffect.serving.mobile import check_tflite
from kaffect.serving.run_export import export_run, find_run
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.gan import GanTrainer, build_networks
from kaffect.training.gan_config import GanConfig
from kaffect.training.gan_images import normalise
from kaffect.training.networks import build_encoder, build_network
from kaffect.training.runs import RunDescription, load_run, save_encoder

CONFIG = RunConfig(
    data=DataConfig(image_size=32, sequence_length=6),
    model=ModelConfig(width=1 / 32, fc_units=8, gru_units=(5,), attention_length=3),
)

pytestmark = pytest.mark.precision


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Two rows with one CNN; the second is better on validation and trains valence/arousal only."""
    return write_results(tmp_path_factory.mktemp("results"), CONFIG)


def write_results(root: Path, base: RunConfig) -> Path:
    save_encoder(root, 0, build_encoder(base), "by hand")
    for number, score, alpha in ((1, 0.2, 0.5), (2, 0.7, 1.0)):
        config = dataclasses.replace(base, loss=LossConfig(alpha=alpha, beta=1 - alpha))
        folder = root / "checkpoints" / f"row-{number:02d}-seed-0"
        network = build_network(config, AFF_WILD)
        CheckpointFolder(folder).save(5, {"network": network}, {}, best=True)
        RunDescription(
            config,
            AFF_WILD,
            CropRule(image_size=32),
            30,
            {"name": "drawn", "kind": "synthetic"},
            metrics={"validation": {"score": score}, "test": {"ccc_valence": score / 2}},
            notes=("a note",),
            encoder="../../encoders/seed-0",
        ).write(folder)
    return root


def test_the_best_row_is_exported(results: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "va" / "1"
    assert main(["export", "--run", str(results), "--out", str(out), "--tflite"]) == 0
    assert "exported and checked" in capsys.readouterr().out
    export = load_export(out)
    images = np.random.default_rng(1).integers(0, 256, (2, 8, 32, 32, 3), dtype=np.uint8)
    found = export.run("serving_default", images=images)
    assert set(found) == {"valence_arousal"}  # its other head was never trained
    network = load_run(results / "checkpoints" / "row-02-seed-0").network
    for part in (slice(0, 6), slice(6, 8)):  # it was trained on sequences of 6
        wanted = network(images[:, part])["valence_arousal"]
        np.testing.assert_allclose(found["valence_arousal"][:, part], wanted, atol=1e-5)
    assert export.facts.metrics["test"] == {"ccc_valence": 0.35}
    manifest, (inputs, outputs) = export.manifest, read_golden(out)
    lite = out / "assets.extra" / "one_frame.tflite"
    assert check_tflite(lite, manifest, inputs, outputs) <= 1e-5
    with pytest.raises(ArtifactError, match="does not give the golden outputs"):
        check_tflite(lite, manifest, inputs, {**outputs, "valence_arousal": inputs["images"]})
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
    train = dataclasses.replace(CONFIG.train, precision=policy)
    root = write_results(tmp_path / "run", dataclasses.replace(CONFIG, train=train))
    kept, plain = tmp_path / "kept" / "1", tmp_path / "plain" / "1"
    export_run(root, kept, precision="run")
    export_run(root, plain)
    manifests = {out: load_export(out).manifest["precision"] for out in (kept, plain)}
    assert manifests == {kept: policy, plain: "float32"}
    images = np.random.default_rng(1).integers(0, 256, (1, 6, 32, 32, 3), dtype=np.uint8)
    network = load_run(root / "checkpoints" / "row-02-seed-0").network
    wanted = network(images)["valence_arousal"]
    found = {out: load_export(out).run("serving_default", images=images) for out in manifests}
    apart = {out: np.abs(f["valence_arousal"] - wanted).max() for out, f in found.items()}
    assert apart[kept] <= apart[plain] and apart[kept] < 1e-3
    assert f"Computed in {policy}, as this export computes." in (kept / CARD).read_text()
    text = f"Computed in {policy}; this export computes in float32, so its own scores differ"
    assert text in (plain / CARD).read_text()


def test_a_gan_is_exported(tmp_path: Path) -> None:
    config = GanConfig(width=1 / 32, action_units=0, seed=4)
    trainer = GanTrainer(config, "float32")
    folder = tmp_path / "gans" / "row-01-seed-4"
    CheckpointFolder(folder).save(6, trainer.checkpointed(), {}, best=True)
    (folder / "gan.json").write_text(json.dumps({"kind": "gan", "config": config.to_dict()}))
    generator = load_export(export_run(tmp_path, tmp_path / "faces" / "1"))
    z = np.zeros((1, 100), np.float32)
    assert generator.run("serving_default", latents=z)["images"].shape == (1, 32, 32, 3)
    judge = load_export(export_run(tmp_path, tmp_path / "judge" / "1", part="discriminator"))
    assert set(judge.manifest["signatures"]["serving_default"]["outputs"]) == {
        "valence_arousal",
        "fake_probability",
    }
    assert main(["export", "--run", str(tmp_path / "no"), "--out", str(tmp_path / "m" / "1")]) == 2
    assert main(["export"]) == 2


def test_an_averaged_discriminator_is_exported_as_it_was_scored(tmp_path: Path) -> None:
    """Its averaged weights, not the last ones, and the thresholds of its scores."""
    config = GanConfig(width=1 / 32, discriminator_ema=0.9, thresholds="validation", seed=5)
    trainer = GanTrainer(config, "float32")
    rng = np.random.default_rng(0)
    for average in trainer.discriminator_average.averages:
        average.assign(np.abs(rng.normal(size=average.shape)).astype(np.float32))
    folder = tmp_path / "gans" / "row-04-seed-5"
    CheckpointFolder(folder).save(6, trainer.checkpointed(), {}, best=True)
    (folder / "gan.json").write_text(json.dumps({"kind": "gan", "config": config.to_dict()}))
    thresholds = [round(0.1 * n, 2) for n in range(1, 9)]
    result = {
        "thresholds": thresholds,
        "validation": {"score": 0.1},
        "metrics": {},
        "scored_split": "test",
    }
    (folder / "result.json").write_text(json.dumps(result))
    judge = load_export(export_run(tmp_path, tmp_path / "judge" / "1", part="discriminator"))
    (card,) = (tmp_path / "judge" / "1").glob("*.md")
    shown = ", ".join(f"{name} {cut:g}" for name, cut in zip(config.unit_names, thresholds))
    assert f"count as active from these probabilities: {shown}." in card.read_text()
    images = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    _, expected = build_networks(config)
    trainer.discriminator_average.copy_to(expected)
    logits = expected(normalise(tf.constant(images), 32), training=False)
    found = judge.run("serving_default", images=images)["valence_arousal"]
    np.testing.assert_allclose(found, config.heads.split(logits)["valence_arousal"], atol=1e-5)
    last = trainer.discriminator(normalise(tf.constant(images), 32), training=False)
    assert not np.allclose(found, config.heads.split(last)["valence_arousal"], atol=1e-3)
