"""Table IX from real files to its report, with pictures, quality and resume."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score

from experiments import run
from kaffect.config import GanConfig
from kaffect.files import read_json
from kaffect.studies import gan
from kaffect.studies.experiment import Profile
from kaffect.studies.finding import find_trained
from kaffect.studies.gan import figures, study
from kaffect.studies.gan.discriminator import Judge, judge_frames
from kaffect.studies.gan.generation import generate_faces
from kaffect.studies.image_grids import read_image
from kaffect.studies.plan import Plan, make_plan
from kaffect.studies.sources import open_source
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.gan_data import GanBatches
from kaffect.training.runs import load_gan

pytestmark = pytest.mark.precision

NAME = "configuration-1-row-05-seed-0"


@pytest.fixture
def finished(finished_gan_table: tuple[Path, Path]) -> tuple[Path, Path]:
    """A small tree, and the results of the joint row with the mean squared error."""
    return finished_gan_table


def _command(tree: Path) -> list[str]:
    return ["--table", "IX", "--row", "5", "--data", str(tree), "--profile", "smoke"]


def _records(out: Path) -> dict:
    lines = (out / "table_ix.jsonl").read_text().splitlines()
    return {record["row"]: record for record in map(json.loads, lines)}


def test_a_record_holds_scores_quality_and_what_made_them(finished: tuple[Path, Path]) -> None:
    _, out = finished
    records = _records(out)
    assert set(records) == {5, "constant", "constant_all_units", "linear_probe_fitted"}
    record = records[5]
    assert record["data_kind"] == "real" and record["scored_split"] == "test"
    assert set(record["metrics"]) >= {"ccc_valence", "ccc_arousal", "au_f1_macro", "fake_rate"}
    assert GanConfig.from_dict(record["config"]).hash() == record["config_hash"]
    assert record["steps"] == 12 and record["best_step"] in (6, 12)
    # Track a has no Action Units: its frames train the real/fake output only.
    assert record["unlabelled_frames"] > 0
    quality = record["quality"]
    assert quality["faces"] == 16 and quality["fid"] > quality["real_faces"]["fid"]
    assert record["variant"] == "configuration-1" and record["frames_seen"] == 12 * 16


def test_thresholds_are_chosen_on_validation_and_half_stands_beside_them(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """scikit-learn's F1 of the saved network's answers, cut at the recorded thresholds."""
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    record = _records(out)[5]
    source = open_source(tree, gan.SMOKE, "au")
    judge = Judge(load_gan(out / "checkpoints" / NAME, "best"))
    judge.refresh()

    def f1(split: str, cuts: Any) -> float:
        index = source.split(split)
        scoring = index.scoring()
        logits = judge_frames(judge, index)["action_unit_logits"]
        logits = logits[np.searchsorted(index.rows, scoring.row)][scoring.au_valid]
        units = logits.astype(float) > cuts
        true = scoring.action_units[scoring.au_valid]
        return f1_score(true, units, average="macro", zero_division=0)

    chosen = np.array(record["logit_thresholds"])
    assert chosen.shape == (8,) and np.ptp(chosen) > 0
    assert record["metrics"]["au_f1_macro"] == pytest.approx(f1("test", chosen), abs=1e-6)
    assert record["metrics_at_half"]["au_f1_macro"] == pytest.approx(f1("test", 0.0), abs=1e-6)
    # No common threshold names the validation frames better.
    best, shares = f1("validation", chosen), np.linspace(0.05, 0.95, 19)
    assert all(best >= f1("validation", cut) for cut in np.log(shares / (1 - shares)))
    report = (out / "table_ix_configuration_1.md").read_text()
    half = record["metrics_at_half"]["au_f1_macro"]
    assert f"chosen on validation (n=1): macro F1 {half:.3f}" in report


def test_the_report_names_its_features_and_deviations(finished: tuple[Path, Path]) -> None:
    _, out = finished
    for name in ("table_ix_configuration_1.md", "table_ix_configuration_1.html"):
        text = (out / name).read_text()
        assert "0.451" in text, "the paper's figure stands beside ours"
        assert "NOT of Inception" in text and "Generator of row 5 (n=1): FID" in text
        assert "smoke profile" in text and "does not say which configuration" in text
        assert "this is configuration 1 (32x32); --configuration 2 runs the other (96x96)" in text
        assert "both are reported" not in text
        assert "constant, every AU" in text and "linear probe" in text


def test_pictures_of_every_look_and_an_animation(finished: tuple[Path, Path]) -> None:
    _, out = finished
    names = sorted(path.name for path in (out / "checkpoints" / NAME / "samples").iterdir())
    assert names == ["step-00000006.png", "step-00000012.png", "training.gif"]


def test_tensorboard_has_curves_and_faces(finished: tuple[Path, Path]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, out = finished
    events = EventAccumulator(str(out / "tensorboard" / NAME), {"tensors": 0})
    events.Reload()
    assert {
        "train/discriminator_loss",
        "train/generator_adversarial",
        "validation/ccc_valence",
        "generator/pairwise_distance",
        "test/au_f1_macro",
        "faces from fixed latents",
    } <= set(events.Tags()["tensors"])


def test_resume_trains_nothing_twice(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    before = (out / "table_ix.jsonl").read_bytes()
    command = [*_command(tree), "--out", str(out)]
    assert run.main(command) == 2
    assert "--resume" in capsys.readouterr().err
    assert run.main([*command, "--resume"]) == 0
    assert (out / "table_ix.jsonl").read_bytes() == before


def test_a_gan_of_other_settings_is_not_gone_on_with(
    finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    other = ["--set", "train.clip=5", "--set", "loss.va=ccc"]
    assert run.main([*_command(tree), "--out", str(out), "--resume", *other]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "loss.va: expected 'mse', received 'ccc'" in error
    assert "train.clip: expected 20.0, received 5.0" in error and "another --out" in error
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_figure_7_of_a_finished_run(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The GAN that Table IX trained is drawn, not trained a second time."""
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "table-IX-smoke-tree-001").symlink_to(out)
    monkeypatch.setattr(figures, "run_plan", None)  # training would fail
    command = ["--figure", "7", "--data", str(tree), "--profile", "smoke"]
    assert run.main([*command, "--out", str(tmp_path / "figures")]) == 0
    folder = tmp_path / "figures"
    assert {path.name for path in folder.iterdir()} == {
        "figure_7.png", "nearest.png", "nearest.json", "interpolation.png",
    }  # fmt: skip
    faces = generate_faces(out / "checkpoints" / NAME, 64, seed=1).images
    grid = read_image(folder / "figure_7.png")
    np.testing.assert_array_equal(grid[2:66:2, 2:66:2], faces[0])
    report = read_json(folder / "nearest.json")
    assert report["updates"] == 12 and report["generated_to_training"]["median"] > 0
    assert "after 12 updates" in capsys.readouterr().out
    plan = replace(_plan(profile="smoke", data=tree, row=5), precision=_precision(out))
    data_hash, own = _records(out)[5]["data_hash"], tmp_path / "own"
    found = figures.finished_gan(plan, data_hash, own)
    assert found is not None and found.name == NAME
    assert figures.finished_gan(plan, "other data", own) is None
    other = replace(plan, overrides={"train.clip": 5.0})
    assert figures.finished_gan(other, data_hash, own) is None
    monkeypatch.chdir(folder)  # the figure's own GAN counts where no table has one
    assert figures.finished_gan(plan, data_hash, out) == out / "checkpoints" / NAME


def _precision(out: Path) -> str:
    precision: str = _records(out)[5]["precision"]
    return precision


def test_figure_6_shows_every_person_once(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    command = ["--figure", "6", "--data", str(tree), "--profile", "smoke", "--out", str(tmp_path)]
    assert run.main(command) == 0
    # Two people of the training videos have Action Units; a face is 96 pixels wide.
    assert read_image(tmp_path / "figure_6.png").shape == (96 + 4, 2 * 98 + 2, 3)
    assert "2 subjects" in capsys.readouterr().out


def _plan(**changes: Any) -> Plan:
    options = run.parser().parse_args(["--table", "IX"])
    return make_plan(find_trained("IX"), argparse.Namespace(**{**vars(options), **changes}))


def test_the_paper_profile_changes_nothing_of_the_paper() -> None:
    plan = _plan(profile="paper", row=5)
    assert plan.variants == ("configuration-1", "configuration-2")
    for configuration, training in zip((1, 2), plan.trainings(), strict=True):
        # What the paper does not say is told in its profile too.
        unlabelled, mirrored = plan.notes(training.variant)
        assert unlabelled.startswith("25 % of each batch are faces without labels")
        assert mirrored.startswith("half of the training pictures are mirrored")
        row = {"loss.tasks": ["va", "au"], "loss.va": "mse"}
        assert training.config == GanConfig().changed({"model.configuration": configuration, **row})


def test_every_changed_setting_is_stated() -> None:
    first = {"model.width": 0.5, "train.rounds": "DG", "train.clip": 20.0, "train.steps": 7}
    second = {"train.generator_rate": 1e-3}
    profile = Profile(
        "short",
        deviations=("a note",),
        variant_changes={"configuration-1": first, "configuration-2": second},
    )
    plain = {"data.unlabelled": 0.0, "data.flip": False}
    plan = replace(_plan(), profile=profile, flags=plain)
    words = "short profile: model.width 0.5 instead of 1, train.rounds 'DG' instead of 'paper'"
    assert plan.notes("configuration-1") == ("a note", words)
    words = "short profile: train.generator_rate 0.001 instead of 0.0001"
    assert plan.notes("configuration-2") == ("a note", words)


def test_trainings_go_by_configuration_seed_and_row() -> None:
    plan = _plan(profile="paper", seeds=2, kernel=7)
    found = [
        (t.config.model.configuration, t.seed, t.number, t.config.model.kernel)
        for t in plan.trainings()
    ]
    wanted = [
        (configuration, seed, row, 7 if configuration == 2 else 5)
        for configuration in (1, 2)
        for seed in (0, 1)
        for row in (1, 2, 3, 4, 5)
    ]
    assert found == wanted


class _Poisoned(GanBatches):
    """Valence of update 7, of the discriminator, is not a number."""

    def __call__(self, first: int, steps: int) -> tf.data.Dataset:
        def plant(step: tf.Tensor, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            labels = batch["valence_arousal"]
            return {**batch, "valence_arousal": tf.where(step == 6, labels * np.nan, labels)}

        numbers = tf.data.Dataset.range(first, first + steps)
        return tf.data.Dataset.zip(numbers, super().__call__(first, steps)).map(plant)


def test_a_loss_that_is_not_finite_ends_the_command(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    tree, out = finished
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    monkeypatch.setattr(study, "GanBatches", _Poisoned)
    assert run.main([*_command(tree), "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: row 5: failed: Training stopped at step 7:")
    assert "real_valence_arousal is nan" in error and "last good checkpoint is kept" in error
    assert CheckpointFolder(tmp_path / "checkpoints" / NAME).last() == 6
    assert 5 not in _records(tmp_path), "a run that failed has no result"
    report = (tmp_path / "table_ix_configuration_1.md").read_text()
    assert "VA + AU: MSE + cross entropy: failed" in report
    kept = load_gan(tmp_path / "checkpoints" / NAME)
    assert all(np.isfinite(v.numpy()).all() for v in kept.discriminator.variables)
