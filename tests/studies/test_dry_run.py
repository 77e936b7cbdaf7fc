"""What only describes or refuses a run: it loads no TensorFlow and writes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kaffect.studies.finding import tables
from kaffect.studies.registry import STUDIES

ROOT = Path(__file__).parents[2]
DESCRIBED = [name for name, table in tables().items() if "dry_run" in STUDIES[table.study].flags]
_PROGRAM = """
import json, runpy, sys
sys.path.insert(0, {root!r})
found = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["experiments/run.py", *words]
    try:
        runpy.run_path({program!r}, run_name="__main__")
    except SystemExit as end:
        found.append(end.code or 0)
    heavy = {{"tensorflow", "keras", "cv2", "sklearn", "matplotlib"}} & set(sys.modules)
    assert not heavy, (words, heavy)
print(json.dumps(found))
"""


def run_apart(folder: Path, *commands: list[str]) -> subprocess.CompletedProcess[str]:
    """Several command lines in one other process, whose working directory and home is `folder`."""
    program = _PROGRAM.format(root=str(ROOT), program=str(ROOT / "experiments" / "run.py"))
    words = [sys.executable, "-c", program, json.dumps(commands)]
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": "", "KAFFECT_HOME": str(folder / "home"), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def test_every_table_is_described_without_tensorflow(tmp_path: Path) -> None:
    assert {"I", "IX", "X", "XI", "A1", "A5"} <= set(DESCRIBED)
    commands = [["--table", name, "--dry-run"] for name in DESCRIBED]
    commands += [["--table", "XI", "--dry-run", "--profile", p] for p in ("smoke", "paper")]
    done = run_apart(tmp_path / "here", *commands)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * len(commands)
    assert done.stdout.count("\nTable ") + done.stdout.startswith("Table ") >= 8
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--help"], 0, "usage:"),
        (["--table", "XII"], 2, "--table: unknown table. Expected one of"),
        (["--table", "A1", "--set", "train.stepz=1"], 2, "Unknown setting. Expected"),
        (["--table", "IX", "--row", "6", "--out", "out"], 2, "rows 1 to 5. Received: 6"),
        (["--table", "none.py"], 2, "none.py: no such file"),
    ],
)
def test_help_and_mistakes_load_no_tensorflow(
    words: list[str], code: int, message: str, tmp_path: Path
) -> None:
    done = run_apart(tmp_path / "here", words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [code]
    assert message in done.stdout + done.stderr
    assert not list((tmp_path / "here").iterdir())
