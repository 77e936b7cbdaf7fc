"""`run.py --report`: the report of a results folder again, without data or training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import run
from kaffect.studies.results import append_record, read_records
from tests.studies.report.test_cells import write


@pytest.fixture()
def results(tmp_path: Path) -> Path:
    runs = [write(tmp_path, row, seed) for row in (1, 2) for seed in (0, 1, 2)]
    lines = [json.dumps({**record, "variant": ""}) + "\n" for record in runs]
    (tmp_path / "table_xi.jsonl").write_text("".join(lines))
    return tmp_path


def test_the_report_is_written_again_and_nothing_else(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    (results / "table_xi.md").write_text("an old report")
    assert run.main(["--table", "XI", "--out", str(results), "--report"]) == 0
    made = {path.name for path in results.rglob("*") if path.is_file() and path not in before}
    assert made == {"table_xi.md", "table_xi.html"}
    assert all(path.read_bytes() == text for path, text in before.items())
    assert "[" in (results / "table_xi.md").read_text() and "n=3 best" in capsys.readouterr().out
    # Again, the same bytes; with a record more, another report.
    first = (results / "table_xi.html").read_bytes()
    assert run.main(["--table", "xi", "--out", str(results), "--report"]) == 0
    assert (results / "table_xi.html").read_bytes() == first
    with open(results / "table_xi.jsonl", "a") as lines:
        lines.write(json.dumps({**write(results, 3), "variant": ""}) + "\n")
    assert run.main(["--table", "XI", "--out", str(results), "--report"]) == 0
    assert (results / "table_xi.html").read_bytes() != first


def test_a_last_line_that_was_cut_is_told_and_the_others_hold(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kill or a full disk; what comes next is a line of its own."""
    path = results / "table_xi.jsonl"
    whole = path.read_bytes()
    assert run.main(["--table", "XI", "--out", str(results), "--report"]) == 0
    report, _ = (results / "table_xi.md").read_bytes(), capsys.readouterr()
    path.write_bytes(whole + whole[:50])
    assert run.main(["--table", "XI", "--out", str(results), "--report"]) == 0
    assert "table_xi.jsonl:7: the last line is cut and left out" in capsys.readouterr().err
    assert (results / "table_xi.md").read_bytes() == report
    append_record(path, {"row": 3})
    assert path.read_bytes() == whole + b'{"row": 3}\n'
    assert [record["row"] for record in read_records(path)][-1] == 3
    assert path.with_suffix(".cut").read_bytes().strip() == whole[:50]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--report"], "--report: name folders of results"),
        (["--report", "--out", "{}/nothing"], "no results of table XI"),
        (["--report", "--out", "{}", "--row", "1"], "--report: --row does not go with it"),
        (["--report", "--out", "{}", "--resume"], "--report: --resume does not go with it"),
        (["--report", "--out", "{}/empty"], "holds no result"),
        (["--report", "--out", "{}/broken"], "table_xi.jsonl:1: not a JSON line"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    results: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("empty", ""), ("broken", "{no\n")):
        (results / name).mkdir()
        (results / name / "table_xi.jsonl").write_text(text)
    before = sorted(results.rglob("*"))
    assert run.main(["--table", "XI", *(part.format(results) for part in more)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and said in told[0]
    assert sorted(results.rglob("*")) == before


def test_all_tables_have_no_report_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--table", "all", "--report"]) == 2
    assert "--report" in capsys.readouterr().err
