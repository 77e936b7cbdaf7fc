"""The precision of a run is part of it: of its record, its scores, and of what may go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import run
from kaffect import cli

HALVES = ("mixed_bfloat16", "mixed_float16")


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
    before = {p: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
    assert run.main([*command, "--out", str(out), "--resume"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"train.precision: expected '{precision}', received 'float32'" in error
    assert {p: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()} == before


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
    assert error.startswith("error: KAFFECT_PRECISION. Expected one of 'float32', ")
    assert error.endswith("Received: 'bfloat16'")
    assert not list(tmp_path.rglob("*.jsonl"))
