"""Rows of real tables, killed again and again: each ends with the bytes of the one left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kaffect.training.checkpoints import CheckpointFolder
from tests.data.drawing import build_tree, contents, write_boxes

ROOT = Path(__file__).parents[2]
# Waits in every batch, so that a kill comes before the end; what is computed stays the same.
PROGRAM = """
import sys, time
from kaffect.training import loop
fit = loop._fit
def slow(trainer, batches, steps, callbacks):
    time.sleep(float(sys.argv[1]))
    fit(trainer, batches, steps, callbacks)
loop._fit = slow
from experiments import run
sys.exit(run.main(sys.argv[2:]))
"""
KILLS = 5
TABLES: dict[str, tuple[str, list[str]]] = {
    "XI": (
        "row-02-seed-0", ["--table", "XI", "--row", "2", "train.steps=24", "train.epochs=24"],
    ),
    "IX, configuration 1": (
        "configuration-1-row-05-seed-0",
        ["--table", "IX", "--row", "5", "--configuration", "1", "train.steps=36",
         "train.evaluate_every=6"],
    ),
    "IX, configuration 2": (
        "configuration-2-row-05-seed-0",
        ["--table", "IX", "--row", "5", "--configuration", "2", "train.steps=18",
         "train.evaluate_every=3"],
    ),
    "A4": (
        "row-09-seed-0", ["--table", "A4", "--row", "9", "train.steps=12", "train.epochs=6",
                          "model.width=0.0625"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = build_tree(tmp_path_factory.mktemp("data") / "tree")
    write_boxes(root, "b_right", range(40))
    write_boxes(root, "d", range(33))
    return root


def start(words: list[str], tree: Path, out: Path, pause: float) -> subprocess.Popen[bytes]:
    settings = [("--set", word) if "." in word and "=" in word else (word,) for word in words]
    command = [word for pair in settings for word in pair]
    command += ["--data", str(tree), "--profile", "smoke", "--out", str(out), "--resume"]
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "KAFFECT_HOME": str(tree.parent / "home"),
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(pause), *command], env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def variables(folder: Path) -> dict[str, str]:
    """Hashes of the last checkpoint's variables, with optimiser and seeds."""
    last = CheckpointFolder(folder).last()
    found = contents(folder / f"step-{last:08d}")
    return {name: value for name, value in found.items() if name.startswith("variables")}


@pytest.mark.nightly
@pytest.mark.parametrize("name", TABLES)
def test_a_killed_row_ends_with_the_same_bytes(
    name: str, tree: Path, tmp_path: Path, record_property: Any
) -> None:
    run, words = TABLES[name]
    assert start(words, tree, tmp_path / "whole", 0.0).wait() == 0
    expected = variables(tmp_path / "whole" / "checkpoints" / run)
    assert len(expected) >= 3
    folder = tmp_path / "killed" / "checkpoints" / run
    for _ in range(KILLS):
        before = CheckpointFolder(folder).last()
        process = start(words, tree, tmp_path / "killed", 0.5)
        while CheckpointFolder(folder).last() == before and process.poll() is None:
            time.sleep(0.02)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = CheckpointFolder(folder).last()
    assert start(words, tree, tmp_path / "killed", 0.0).wait() == 0
    assert last is not None and last < (CheckpointFolder(folder).last() or 0)
    assert variables(folder) == expected
    record_property("kills", KILLS)
    record_property("other bytes", 0)
