"""Tables A1 to A5: what rows start from, and what becomes of a table of which a row cannot run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from experiments import run
from kaffect.errors import DatasetError, TrainingDiverged
from kaffect.models import affect_resnet18
from kaffect.models.torchvision_weights import torchvision_weights
from kaffect.studies.command import run_plan
from kaffect.studies.finding import find_trained
from kaffect.studies.framewise import STUDY
from kaffect.studies.framewise.study import FrameTraining, Framewise
from kaffect.studies.plan import Plan
from kaffect.studies.problems import StartError
from kaffect.training.precision import precision_here


def plan(table: str, weights: str | None, *rows: int, data: Path | None = None) -> Plan:
    found = find_trained(table)
    chosen = tuple((n, found.rows[n - 1]) for n in rows or range(1, len(found.rows) + 1))
    return Plan(found, STUDY.profiles["smoke"], data, chosen, weights=weights)


def starts(wanted: Plan) -> dict[int, str | None]:
    """Row -> the file that it starts from."""
    return {training.number: training.config.model.weights for training in wanted.trainings()}


# --- initial weights -----------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["A1", "A2", "A3", "A4"])
def test_all_rows_of_the_study_s_tables_start_from_the_file(table: str) -> None:
    assert list(starts(plan(table, "w.npz")).values()) == ["w.npz"] * len(find_trained(table).rows)
    assert set(starts(plan(table, None)).values()) == {None}
    assert plan(table, "w.npz").notes("")[-1] == "initial weights: w.npz"


def test_a5_compares_the_file_with_he_initialisation() -> None:
    found = starts(plan("A5", "w.npz"))
    assert [n for n, weights in found.items() if weights] == [1, 2] and len(found) == 13
    assert plan("A5", "w.npz").notes("")[-1] == "initial weights: w.npz (rows 1, 2)"
    assert list(starts(plan("A5", None))) == list(range(3, 14))


@pytest.mark.parametrize("profile", ["smoke", "demo", "paper"])
def test_without_a_file_every_profile_says_so(
    profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--table", "A1", "--profile", profile, "--dry-run"]) == 0
    assert "note: no weights file: He initialisation\n" in capsys.readouterr().out


def narrow_weights(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A file of the network of the smoke profile, with numbers that no initialiser draws."""
    network = affect_resnet18(32, width=0.0625, seed=9)
    arrays = {n: np.asarray(v) + 0.5 for n, v in torchvision_weights(network).items()}
    np.savez(folder / "narrow.npz", **arrays)
    return folder / "narrow.npz", arrays


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))


def test_a_run_s_network_holds_the_file_s_numbers(stills: Path, tmp_path: Path, home: None) -> None:
    path, arrays = narrow_weights(tmp_path)
    wanted = plan("A1", str(path), 1, data=stills)
    source = Framewise.open_source(wanted)
    adapter = Framewise(wanted, source, tmp_path, tf.distribute.get_strategy())
    (training,) = wanted.trainings()
    row: Any = adapter.prepare(training, tmp_path)
    started = torchvision_weights(row.trainer.network)
    assert started.keys() == arrays.keys()
    for name, value in arrays.items():
        np.testing.assert_array_equal(started[name], value, err_msg=name)
    wide = replace(training, config=training.config.changed({"model.width": 0.125}))
    with pytest.raises(StartError, match="does not fit.*add --set model.width=1$"):
        adapter.prepare(wide, tmp_path)


# --- rows that have no result --------------------------------------------------------------------


Fake = Callable[[dict[int, Exception]], dict[int, str]]


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Rows are trained for one step of two pictures; some cannot begin, for these reasons.

    The result gets the precision in which each row began.
    """
    precisions: dict[int, str] = {}
    prepare = Framewise.prepare
    monkeypatch.setattr(FrameTraining, "draw", lambda *a: None)

    def install(errors: dict[int, Exception]) -> dict[int, str]:
        def fake(self: Framewise, training: Any, folder: Path) -> Any:
            if training.number in errors:
                raise errors[training.number]
            precisions[training.number] = training.config.train.precision
            return prepare(self, training, folder)

        monkeypatch.setattr(Framewise, "prepare", fake)
        return precisions

    return install


SHORT = ["--set", "train.steps=1", "--set", "data.batch=2", "--set", "train.epochs=1"]


def test_a_row_that_fails_leaves_the_others_their_turn(
    stills: Path,
    tmp_path: Path,
    home: None,
    faked: Fake,
    capsys: pytest.CaptureFixture[str],
) -> None:
    faked({1: StartError("w.npz: not the weights"), 2: TrainingDiverged("loss is nan")})
    out = tmp_path / "out"
    command = ["--table", "A1", "--data", str(stills), "--profile", "smoke", "--out", str(out)]
    command += SHORT
    assert run.main(command) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error == "error: row 1: not run: w.npz: not the weights; row 2: failed: loss is nan"
    lines = [json.loads(line) for line in (out / "table_a1.jsonl").read_text().splitlines()]
    assert [r["row"] for r in lines if isinstance(r["row"], int)] == [3, 4, 5]
    assert "constant" in [r["row"] for r in lines]
    report = (out / "table_a1.md").read_text()
    assert "- row 1: not run: w.npz: not the weights\n" in report
    assert "- row 2: failed: loss is nan\n" in report
    assert "class weights: failed" in report and "SGD: not run" in report
    # Mended, the same command finishes what is missing and says nothing of it.
    faked({2: DatasetError("no labels")})
    assert run.main([*command, "--resume"]) == 0
    lines = [json.loads(line) for line in (out / "table_a1.jsonl").read_text().splitlines()]
    assert sorted(r["row"] for r in lines if isinstance(r["row"], int)) == [1, 3, 4, 5]
    assert "- row 2: not run: no labels\n" in (out / "table_a1.md").read_text()


def test_each_row_has_its_own_precision_and_says_on_what_it_is_scored(
    stills: Path, tmp_path: Path, home: None, faked: Fake
) -> None:
    precisions, out = faked({}), tmp_path / "out"
    short = {"train.steps": 1, "data.batch": 2, "train.epochs": 1}
    short |= {"data.train_share": 0.3, "data.validation_share": 0.2}
    short |= {"data.labels": "own", "loss.tasks": ["expression"]}
    run_plan(replace(plan("A4", None, 8, 22, 25, 26, data=stills), overrides=short), out, False)
    lines = [json.loads(line) for line in (out / "table_a4.jsonl").read_text().splitlines()]
    rows = {r["row"]: r for r in lines if isinstance(r["row"], int)}
    wanted = {8: precision_here("auto"), 22: precision_here("auto"), 25: "float32"}
    wanted |= {26: "mixed_bfloat16"}
    assert {n: r["precision"] for n, r in rows.items()} == wanted
    assert precisions == wanted
    note = "row 22 is validated and scored on the 6 training frames that follow those it was "
    note += "trained on"
    assert [n for n, r in rows.items() if note in r["notes"]] == [22]
