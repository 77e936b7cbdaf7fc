"""Settings of `kaffect train --task`: as they are listed, and fit for the project's own network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from kaffect import cli
from kaffect.config import FramewiseConfig
from kaffect.config.choices import Task
from kaffect.serving.own_model import OWN_MODEL
from kaffect.studies.framewise.stills import LOSSES, epochs_for, still_settings
from kaffect.studies.own_model.train import OwnModelSettings

LIST = Path(__file__).parents[3] / "experiments" / "reference" / "DECISIONS_STILLS.md"


def test_every_setting_is_listed_with_its_value() -> None:
    listed: dict[str, str] = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and "`" in line.split(" | ")[1]:
            _, settings, values, source = line.split(" | ")
            names = re.findall(r"`(\w+\.\w+)`", settings)
            listed |= dict(zip(names, values.split(", ") if len(names) > 1 else [values]))
            assert source.rstrip(" |")
    listed.pop("train.epochs")
    used = {k: v for task in LOSSES for k, v in still_settings(task, 1000).items()}
    used = {k: str(v) for k, v in used.items() if k not in ("loss.tasks", "train.epochs")}
    assert listed == used


@pytest.mark.parametrize("task", get_args(Task))
def test_settings_are_accepted_for_each_task(task: str) -> None:
    config = FramewiseConfig().changed(still_settings(task, 1000))
    assert config.loss.tasks == (task,)
    own = OwnModelSettings()
    assert (config.model.width, config.model.image_size) == (own.width, own.image_size)


def test_the_length_follows_the_number_of_pictures() -> None:
    assert [epochs_for(n) for n in (0, 1, 8_000, 10_800, 40_000, 10**6)] == [
        150, 150, 100, 74, 20, 10,
    ]  # fmt: skip


def test_a_dry_run_prints_the_settings(stills: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--task", "expression", "--data", str(stills), "--dry-run"]
    assert cli.main([*words, "--set", "train.ema=0.5", "--seed", "3"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("study") == "framewise"
    # Sixty pictures, half of them for training.
    expected = {**still_settings("expression", 30), "train.ema": 0.5, "train.seed": 3}
    assert FramewiseConfig.from_dict(printed) == FramewiseConfig().changed(expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a list of pictures (LIST.csv). Received: 'nothing'"),
        (["--data", "."], "a list of pictures (LIST.csv)"),
        (["--data", "none.csv"], "expected a list of stills; there is no such file"),
        (["--weights", "setup.cfg"], "--weights: --task does not use it"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", "--task", "expression", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.nightly  # a whole training; the settings' network is filled in test_starting.py
def test_training_from_the_projects_own_network(
    stills: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its layers fill the network of these settings, all but the head."""
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path / "home"))
    words = ["train", "--task", "expression", "--data", str(stills), "--start", str(OWN_MODEL)]
    words += ["--set", "train.epochs=1", "--set", "data.batch=8", "--out", str(tmp_path / "out")]
    assert cli.main(words) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "40 of 41 layers taken" in shown
    assert "left at their initialisation: expression_logits" in shown
    record = json.loads((tmp_path / "out" / "table_run.jsonl").read_text().splitlines()[0])
    assert record["start"]["left"] == ["expression_logits"] and record["calibration"]["ece"] >= 0
