"""`--table FILE.py`: the example of the documentation runs, and mistakes in a file are told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from experiments import run
from kaffect import cli

PAGE = Path(__file__).parents[2] / "docs" / "new_table.md"


def example() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)
    return str(block)


@pytest.fixture
def rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's example in a folder of its own, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rates.py").write_text(example())
    return tmp_path / "rates.py"


def test_the_documented_table_is_described(rates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(example().splitlines()) < 25
    assert run.main(["--table", "rates.py", "--dry-run", "--seeds", "2"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Table rates: Learning rates of the joint ResNet-18"
    rows = [line for line in told if line.startswith("row ")]
    assert len(rows) == 6 and len({line.rpartition("[")[2] for line in rows}) == 6
    assert rows[0].startswith("row  1 seed 0: learning rate 0.0003: ")
    assert "train.learning_rate=0.0003" in rows[0] and "train.schedule=cosine" in rows[0]
    assert list(rates.parent.iterdir()) == [rates], "nothing else is written"
    assert cli.main(["train", "--table", "rates.py", "--row", "3", "--dry-run"]) == 0
    settings = json.loads(capsys.readouterr().out)
    assert settings["train"]["learning_rate"] == 3e-3 and settings["study"] == "framewise"


def test_a_row_of_the_documented_table_is_trained_and_reported(rates: Path, stills: Path) -> None:
    short = ["--set", "train.steps=2", "--set", "train.epochs=1", "--set", "data.batch=4"]
    command = ["--table", "rates.py", "--row", "2", "--profile", "smoke", "--data", str(stills)]
    assert run.main([*command, *short, "--out", "out"]) == 0
    lines = Path("out/table_rates.jsonl").read_text().splitlines()
    (record,) = [r for r in map(json.loads, lines) if r["row"] == 2]
    assert record["steps"] == 2 and record["config"]["train"]["learning_rate"] == 1e-3
    assert record["table"] == "rates" and record["short"] == "rate 0.001"
    report = Path("out/table_rates.md").read_text()
    assert "Learning rates of the joint ResNet-18" in report and "learning rate 0.001" in report


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def row(rate: float)", "def row(rate: float", "rates.py:7: SyntaxError: "),
        ("SOUND\n", "SOUNDS\n", "rates.py:4: ImportError: cannot import name 'SOUNDS'"),
        ("for rate in (3e-4,", "for rate in (3e-4 / 0,", "rates.py:17: ZeroDivisionError: "),
        ("    title=", "    titel=", "rates.py:13: TypeError: "),
        ("TABLE =", "TABEL =", "rates.py: expected a table, as TABLE = Table(...). Received: none"),
        ("TABLE = Table(", "TABLE = dict(", "rates.py:13: what TABLE names. Expected a kaffect"),
        ('"framewise"', '"frames"', "rates.py:15: study of table rates. Expected one of 'data'"),
        ('"rates"', '"../rates"', "rates.py:14: name of a table"),
        (
            '"train.learning_rate"',
            '"train.rate"',
            "rates.py:10: table rates, row 1: Unknown setting. Expected data.balanced",
        ),
        (
            "{**SOUND, ",
            '{**SOUND, "loss.va": "rmse", ',
            "rates.py:10: table rates, row 1: settings: Invalid value for loss.va. Expected one of "
            "'ccc', "
            "'mse'. Received: 'rmse'",
        ),
        (
            "(3e-4, 1e-3, 3e-3)",
            "(3e-4, 1e-3, -1.0)",
            "rates.py:10: table rates, row 3: settings: Invalid value for train.learning_rate. ",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_line(
    old: str, new: str, message: str, rates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = rates.read_text()
    assert old in text
    rates.write_text(text.replace(old, new))
    for program in (run.main, cli.main):
        words = ["--table", "rates.py", "--dry-run"]
        assert program(words if program is run.main else ["train", *words, "--row", "3"]) == 2
        error = capsys.readouterr().err
        if program is cli.main:  # it tries its own row only
            message = message.replace("row 1", "row 3")
        assert error.startswith(f"error: {message}") and error.count("\n") == 1
    assert list(rates.parent.iterdir()) == [rates]


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--table", "no/such.py"]) == 2
    assert capsys.readouterr().err == "error: --table no/such.py: no such file\n"
