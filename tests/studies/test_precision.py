"""The precision of a run is part of it: of its record, its scores, and of what may go on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from experiments import run
from kaffect import cli

HALVES = ("mixed_bfloat16", "mixed_float16")


def refused(command: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The error of `command`, which must leave every file as it is."""
    before = {p: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
    capsys.readouterr()
    assert run.main([*command, "--out", str(out), "--resume"]) == 2
    assert {p: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()} == before
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("precision", HALVES)
def test_a_table_is_scored_again_to_the_last_digit(
    precision: str,
    finished: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree, out = finished[0], tmp_path / "out"
    monkeypatch.setenv("KAFFECT_PRECISION", precision)
    command = ["--table", "XI", "--row", "2", "--data", str(tree), "--profile", "smoke"]
    assert run.main([*command, "--out", str(out)]) == 0
    lines = map(json.loads, (out / "table_xi.jsonl").read_text().splitlines())
    (record,) = (line for line in lines if line["row"] == 2)
    assert record["precision"] == record["config"]["train"]["precision"] == precision
    # The run knows its precision: what "auto" means now does not matter.
    monkeypatch.setenv("KAFFECT_PRECISION", "float32")
    capsys.readouterr()
    checkpoint = str(out / "checkpoints" / "row-02-seed-0")
    assert cli.main(["evaluate", checkpoint, "--split", "validation", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["precision"] == precision
    assert found["metrics"] == record["metrics"]
    # Going on in another precision is refused before anything is written.
    error = refused(command, out, capsys)
    assert f"train.precision: expected '{precision}', received 'float32'" in error


def test_an_unknown_precision_is_one_line(
    finished: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KAFFECT_PRECISION", "bfloat16")
    command = ["--table", "XI", "--row", "2", "--data", str(finished[0]), "--profile", "smoke"]
    assert run.main([*command, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    accepted = "'float32', 'mixed_bfloat16', 'mixed_float16'"
    what = "Invalid value for KAFFECT_PRECISION"
    assert error == f"error: {what}. Expected one of {accepted}. Received: 'bfloat16'"
    assert not (tmp_path / "out").exists()


def test_a_gan_does_not_go_on_in_another_precision(
    finished_gan_table: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tree, out = finished_gan_table
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    other = "float32" if os.environ["KAFFECT_PRECISION"] != "float32" else "mixed_bfloat16"
    command = ["--table", "IX", "--row", "5", "--data", str(tree), "--profile", "smoke"]
    error = refused([*command, "--precision", other], out, capsys)
    assert f"train.precision: expected '{os.environ['KAFFECT_PRECISION']}'" in error
    assert f"received '{other}'" in error


def test_single_frames_do_not_go_on_in_another_precision(
    stills: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["--table", "A1", "--row", "1", "--data", str(stills), "--profile", "smoke"]
    assert run.main([*command, "--out", str(out), "--precision", "mixed_bfloat16"]) == 0
    error = refused([*command, "--precision", "float32"], out, capsys)
    assert "train.precision: expected 'mixed_bfloat16', received 'float32'" in error
