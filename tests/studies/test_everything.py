"""`--table all`: the plan first, then every table its turn, whatever happens to another."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from experiments import run
from kaffect.errors import DatasetError
from kaffect.studies import everything
from kaffect.studies.experiment import Study
from kaffect.studies.finding import tables
from kaffect.studies.registry import TRAINED


def test_the_plan_counts_runs_and_minutes(capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    arguments = ["--table", "all", "--profile", "smoke", "--seeds", "2", "--dry-run"]
    assert run.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "table XI: 12 rows, 2 seeds: 24 runs, about 5 processor minutes"
    assert len(lines) == len([t for t in tables().values() if t.study in TRAINED]) + 1
    assert lines[-1].startswith("in all about ")
    assert not (tmp_path / "out").exists()


def test_a_table_that_fails_leaves_the_others_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    ran: dict[str, Path] = {}

    def command(self: Study):  # type: ignore[no-untyped-def]
        def one(table: argparse.Namespace, options: argparse.Namespace) -> None:
            ran[table.name] = options.out
            if table.name == "X":
                raise DatasetError("no such data")

        return one

    monkeypatch.setattr(Study, "command", command)
    out = tmp_path / "out"
    arguments = ["--table", "ALL", "--profile", "smoke", "--out", str(out)]
    assert run.main(arguments) == 2
    assert capsys.readouterr().err == "error: table X: no such data\n"
    assert set(ran) == set(tables())
    trained = [name for name, table in tables().items() if table.study in TRAINED]
    assert {name: ran[name] for name in trained} == {n: out / f"table-{n}" for n in trained}
    # Tables of one study stand together.
    order = [tables()[name].study for name in ran]
    assert [s for i, s in enumerate(order) if i == 0 or order[i - 1] != s] == list(
        everything._ORDER
    )


def test_a_table_with_results_wants_resume(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "table_xi.jsonl").write_text("")
    assert run.main(["--table", "all", "--profile", "smoke", "--out", str(tmp_path)]) == 2
    assert "add --resume" in capsys.readouterr().err


def test_a_flag_of_some_tables_is_refused(capsys: pytest.CaptureFixture) -> None:
    assert run.main(["--table", "all", "--row", "2"]) == 2
    assert "--row: not every table takes it" in capsys.readouterr().err
    # One file of weights is of one study.
    assert run.main(["--table", "all", "--weights", "vgg.h5"]) == 2
    told = capsys.readouterr().err
    assert "--weights: not every table takes it; --table NAME of one that does" in told


def test_shards_share_out_every_run_once(capsys: pytest.CaptureFixture) -> None:
    def runs(*arguments: str) -> list[str]:
        assert run.main(["--table", "XI", "--seeds", "2", "--dry-run", *arguments]) == 0
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("row ")]

    parts = [runs("--shard", f"{i}/3") for i in (1, 2, 3)]
    assert sorted(sum(parts, [])) == sorted(runs())
    assert [len(part) for part in parts] == [8, 8, 8]
    for wrong in ("0/3", "4/3", "3", "a/b", "1/0"):
        assert run.main(["--table", "XI", "--dry-run", "--shard", wrong]) == 2
        assert f"--shard. Expected I/N with I from 1 to N, as 1/3. Received: '{wrong}'" in (
            capsys.readouterr().err
        )
