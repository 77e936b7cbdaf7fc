"""A table on Ray's workers: the results of one process, also when a worker is killed (nightly)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.data.drawing import build_tree

ROOT = Path(__file__).parent.parent.parent
# All seven rows; those of one seed share a CNN.
TABLE = ["--table", "X", "--profile", "smoke", "--seeds", "2", "--threads", "1"]

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("ray")
    found = tmp_path_factory.mktemp("ray")
    tree = build_tree(found / "tree")
    for task in tree.glob("annotations/*"):
        shutil.rmtree(task / "Test_Set")
    return found


def started(folder: Path, name: str, *more: str) -> subprocess.Popen:
    command = [sys.executable, "experiments/run.py", *TABLE, "--data", str(folder / "tree")]
    return subprocess.Popen(
        [*command, "--out", str(folder / name), *more],
        cwd=ROOT,
        env=dict(os.environ, KAFFECT_HOME=str(folder / f"home-{name}")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def results(folder: Path) -> dict[Any, Any]:
    lines = (folder / "table_x.jsonl").read_text().splitlines()
    found = {(r["row"], r["seed"]): (r["metrics"], r["validation"]) for r in map(json.loads, lines)
             if "validation" in r}  # fmt: skip
    assert len(lines) == len(found) + 2, "each job once, and two baselines"
    return found


@pytest.fixture(scope="module")
def local(folder: Path) -> dict[Any, Any]:
    process = started(folder, "local")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return results(folder / "local")


def test_two_workers_give_the_results_of_one_process(folder: Path, local: dict[Any, Any]) -> None:
    process = started(folder, "ray", "--engine", "ray", "--workers", "2")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert results(folder / "ray") == local
    assert len(local) == 14


def busy_worker(parent: int) -> int | None:
    """A process of Ray that works on a job of the driver `parent`."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
    parents = {int(pid): int(ppid) for pid, ppid, _ in rows}

    def descends(pid: int) -> bool:
        while pid in parents and pid != parent:
            pid = parents[pid]
        return pid == parent

    workers = [int(pid) for pid, _, args in rows if args.startswith("ray::work")]
    return next((pid for pid in workers if descends(pid)), None)


def test_a_killed_worker_costs_only_its_own_job(folder: Path, local: dict[Any, Any]) -> None:
    process = started(folder, "killed", "--engine", "ray", "--workers", "2")
    done = folder / "killed" / "jobs"
    while process.poll() is None and len(list(done.glob("*.json"))) < 3:
        time.sleep(0.2)
    victim = busy_worker(process.pid)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "its worker died; it goes on in another" in output
    assert results(folder / "killed") == local
