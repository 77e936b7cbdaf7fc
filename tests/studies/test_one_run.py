"""One results folder is one run: a row that was left out comes with the same data and settings."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from experiments import run
from kaffect.studies import runner
from tests.data.drawing import build_tree

Finished = tuple[Path, Path]


@pytest.fixture
def folder(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Row 2 of Table XI, finished; nothing is trained beside it."""
    monkeypatch.setenv("KAFFECT_HOME", str(finished[1].parent / "home"))
    monkeypatch.setattr(runner, "_run_jobs", lambda table, engine: None)
    return Path(shutil.copytree(finished[1], tmp_path / "out"))


def command(data: Path, out: Path, *more: str) -> list[str]:
    words = ["--table", "XI", "--row", "3", "--data", str(data), "--out", str(out)]
    return [*words, "--profile", "smoke", "--resume", *more]


def everything(root: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and path.name != "run.lock"
    }


@pytest.mark.parametrize("kept", ["checkpoints", "lines"])
@pytest.mark.parametrize(
    "more, differing",
    [
        (["--set", "data.sequences=3"], "data.sequences: expected 10, received 3"),
        (["--precision", "mixed_float16"], "train.precision: expected '.*', received 'mixed_float"),
        (["--implementation", "cell"], "model.implementation: expected 'fused', received 'cell'"),
        (["--set", "train.steps=8"], "train.steps: expected 4, received 8"),
        (
            ["--profile", "demo"],
            "(model.width: .*; and [0-9]+ more|profile: expected 'smoke', rec)",
        ),
    ],
)
def test_another_row_comes_with_the_same_settings(
    finished: Finished,
    folder: Path,
    more: list[str],
    differing: str,
    kept: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if kept == "lines":
        shutil.rmtree(folder / "checkpoints")
    else:
        (folder / "table_xi.jsonl").unlink()
    before = everything(folder)
    assert run.main(command(finished[0], folder, *more)) == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if "holds row 2" in text]
    assert re.search(f"error: {folder}: holds row 2.*[.;] {differing}", line)
    assert everything(folder) == before


def test_another_row_comes_with_the_same_data(
    finished: Finished, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = build_tree(tmp_path / "tree")  # of the same names, with a test set
    before = everything(folder)
    assert run.main(command(tree, folder)) == 2
    assert "data_hash: expected" in (told := capsys.readouterr().err) and "holds row 2" in told
    assert everything(folder) == before
    (folder / "table_xi.jsonl").unlink()  # a row that was interrupted has none
    assert run.main(command(tree, folder)) == 2
    assert "prepared data: expected" in (told := capsys.readouterr().err) and "row 2, seed" in told


def test_the_same_command_adds_a_row(
    finished: Finished, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(command(finished[0], folder)) == 0, capsys.readouterr().err
    assert run.main(command(finished[0], folder, "--seeds", "2")) == 0, capsys.readouterr().err


def test_one_folder_holds_one_table(
    finished: Finished, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--table", "X", *command(finished[0], folder)[2:]]
    assert run.main(words) == 2
    assert "without those of another. Received: 'table_xi.jsonl'" in capsys.readouterr().err


def test_rejected_data_leave_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    (prepared / "manifest.json").write_text(json.dumps({"schema": 1}))
    (tmp_path / "mine").mkdir()
    for out in ([], ["--out", "mine"], ["--out", "new"]):
        words = ["--table", "A1", "--profile", "smoke", "--data", str(prepared), *out]
        assert run.main(words) == 2
        assert "prepared" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "manifest.json",
        "mine",
        "prepared",
    ]
