"""Table IX through the command line: other networks, rows of one task, what a report calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import run
from kaffect.config import GanConfig
from kaffect.files import read_json
from kaffect.studies import finding
from kaffect.studies.experiment import Figure
from kaffect.studies.options import FLAGS
from kaffect.studies.registry import STUDIES


@pytest.fixture
def command(finished_gan_table: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Table IX on the tree of the finished run, whose prepared data and features are used again."""
    tree, out = finished_gan_table
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    return ["--table", "IX", "--data", str(tree), "--profile", "smoke"]


def _records(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "table_ix.jsonl").read_text().splitlines()]


def _cells(report: str, row: int) -> list[str]:
    """The cells of one row of a Markdown report, without its number."""
    line = next(line for line in report.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def _add_a_run_of_five_by_five_filters(out: Path) -> None:
    record = next(record for record in _records(out) if record["row"] == 2)
    record = {**record, "seed": 1, "variant": "configuration-2"}
    with open(out / "table_ix.jsonl", "a", encoding="utf-8") as handle:
        handle.write(json.dumps(record) + "\n")


def test_seven_by_seven_filters_and_rows_of_one_task(command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    # A report of other filters is in the folder already: it stays as it is.
    other = out / "table_ix_configuration_2.md"
    other.parent.mkdir()
    other.write_text("five by five")
    command += ["--configuration", "2", "--kernel", "7", "--out", str(out)]
    command += ["--set", "train.steps=3"]  # one round
    assert run.main([*command, "--row", "2"]) == 0
    _add_a_run_of_five_by_five_filters(out)
    assert run.main([*command, "--row", "3", "--resume"]) == 0
    records = {record["row"]: record for record in _records(out) if record["seed"] == 0}
    assert set(records) == {2, 3, "constant", "constant_all_units", "linear_probe"}
    assert records[2]["config"]["model"]["kernel"] == 7 and records[2]["folder"] == (
        "checkpoints/configuration-2-kernel-7-row-02-seed-0"
    )
    assert other.read_text() == "five by five"
    for suffix in ("html", "md"):
        report = (out / f"table_ix_configuration_2_kernel_7.{suffix}").read_text()
        assert "configuration 2 (96x96, 7x7 filters)" in report
        assert "--configuration 1 runs the other (32x32)" in report
    assert "Generator of row 2 (n=1)" in report and "(n=2)" not in report
    # Valence, arousal; weighted F1, macro F1, accuracy: a row has those of its task.
    ours = {row: _cells(report, row)[-5:] for row in (2, 3)}
    assert [cell != "—" for cell in ours[2]] == [True, True, False, False, False]
    assert [cell != "—" for cell in ours[3]] == [False, False, True, True, True]
    accuracy = records[3]["metrics"]["au_accuracy"]
    assert ours[3][4] == f"{accuracy:.3f} (n=1)" and "ccc_valence" not in records[3]["metrics"]


def test_a_setting_of_the_command_line_is_used_and_stated(
    command: list[str], tmp_path: Path
) -> None:
    """Dropout and order of layers of the ancestor code, for one round instead of two."""
    out = tmp_path / "out"
    settings = ["model.style=ssgan", "train.steps=6", "data.batch=8", "data.flip=yes"]
    flags = [part for setting in settings for part in ("--set", setting)]
    assert run.main([*command, "--row", "4", *flags, "--out", str(out)]) == 0
    records = {record["row"]: record for record in _records(out)}
    record = records[4]
    assert record["steps"] == 6 and record["config"]["model"]["style"] == "ssgan"
    assert record["config_hash"] == GanConfig.from_dict(record["config"]).hash()
    variables = read_json(out / record["folder"] / "step-00000006" / "variables.json")
    # The state of the dropout, which only this style has.
    assert any("seed_generator" in str(variable) for variable in variables)
    report = (out / "table_ix_configuration_1.md").read_text()
    words = "model.style 'ssgan' instead of 'paper', train.steps 6 instead of 60000, data.batch 8"
    words += " instead of 64, data.flip True as published"
    assert f"set on the command line: {words}" in report
    assert "batch 16" not in report and "smoke profile: model.width 0.1 instead of 1" in report
    assert "command line" not in str(records["constant"]["notes"]), "it has no settings"


def _dry_run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert run.main(["--table", "IX", "--row", "5", "--dry-run", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_setting_makes_another_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    plain = _dry_run([], capsys)
    changed = _dry_run(["--set", "train.clip=5"], capsys)
    note = "note, configuration-1: set on the command line: train.clip 5 instead of 20"
    assert note in changed
    assert plain[-1].rpartition("[")[0] == changed[-1].rpartition("[")[0]
    assert plain[-1] != changed[-1], "the hash of the configuration holds it"


def test_a_setting_may_be_one_in_which_rows_differ(capsys: pytest.CaptureFixture[str]) -> None:
    """Then these rows are the same but for their number, and every report says so."""
    command = ["--table", "IX", "--seeds", "1", "--dry-run", "--set", "loss.va=ccc"]
    assert run.main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "note, configuration-1: set on the command line: loss.va 'ccc' instead of 'mse'" in lines
    hashes = [line.rpartition("[")[2] for line in lines if " row " in line]
    assert len(hashes) == 5 and hashes[0] == hashes[1] and hashes[3] == hashes[4]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "IX", "--set", "model.stile=ssgan"], "Unknown setting. Expected"),
        (["--table", "IX", "--set", "train.steps=2.5"], "Expected a positive whole number"),
        (["--table", "IX", "--set", "train.seed=3"], "train.seed: expected --seeds N"),
        (
            ["--table", "IX", "--configuration", "2", "--set", "model.style=ssgan"],
            "row 1: settings: Invalid value for model.style of configuration 2. Expected one of",
        ),
        (["--table", "IX", "--kernel", "7"], "--kernel 7: configuration 1 has no other filters"),
        (["--figure", "7", "--configuration", "1", "--kernel", "7"], "add --configuration 2"),
        (["--figure", "7", "--profile", "paper", "--kernel", "7"], "this is configuration 1"),
        (["--table", "VI", "--kernel", "7"], "--kernel 7: table VI has no other filters"),
        (["--table", "IX", "--weights", "F"], "--weights: table IX does not use it. Expected some"),
        (["--table", "XI", "--set", "train.rounds=DG"], "Unknown setting. Expected"),
        (["--table", "III", "--set", "train.steps=3"], "--set: table III does not use it"),
        (["--table", "xi", "--configuration", "1"], "--configuration: table XI does not use it"),
        (["--table", "V", "--out", "here"], "--out: table V does not use it. Expected some of "),
        (["--figure", "5", "--seeds", "2"], "--seeds: figure 5 does not use it"),
        (["--table", "III", "--resume"], "--resume: table III does not use it"),
    ],
)
def test_a_flag_that_changes_nothing_is_refused(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_every_table_and_figure_says_which_flags_it_uses() -> None:
    used = {flag for study in STUDIES.values() for flag in study.flags}
    drawn = [figure for figure in finding.figures().values() if isinstance(figure, Figure)]
    assert len(drawn) == len(finding.figures()) > 5
    assert used | {flag for figure in drawn for flag in figure.flags} == set(FLAGS)
