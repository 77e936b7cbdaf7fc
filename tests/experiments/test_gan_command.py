"""Table IX through the command line: other networks, rows of one task, what a report calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import run


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
    record = {**record, "seed": 1, "config": {**record["config"], "kernel": 5}}
    with open(out / "table_ix.jsonl", "a", encoding="utf-8") as handle:
        handle.write(json.dumps(record) + "\n")


def test_seven_by_seven_filters_and_rows_of_one_task(command: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    # A report of other filters is in the folder already: it stays as it is.
    other = out / "table_ix_configuration_2_kernel_5.md"
    other.parent.mkdir()
    other.write_text("five by five")
    command += ["--configuration", "2", "--kernel", "7", "--out", str(out)]
    assert run.main([*command, "--row", "2"]) == 0
    _add_a_run_of_five_by_five_filters(out)
    assert run.main([*command, "--row", "3", "--resume"]) == 0
    records = {record["row"]: record for record in _records(out) if record["seed"] == 0}
    assert set(records) == {2, 3, "constant", "constant_all_units", "linear_probe"}
    assert records[2]["config"]["kernel"] == 7 and records[2]["folder"] == (
        "gans/configuration-2-kernel-7-row-02-seed-0"
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
