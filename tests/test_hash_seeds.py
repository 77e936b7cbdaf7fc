"""Nothing depends on the order of sets or on hashes of strings, which differ in each process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def start(tree: Path, folder: Path, seed: int) -> subprocess.Popen[str]:
    environment = {
        **os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2",
        "KAFFECT_HOME": str(folder / "home"),
    }  # fmt: skip
    command = [sys.executable, str(ROOT / "tests" / "hash_seed_run.py"), str(tree), str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def results(tree: Path, root: Path, seeds: Iterable[int], at_once: int = 2) -> list[Any]:
    """What each process prints, two at a time."""
    found, waiting = [], list(seeds)
    while waiting:
        some, waiting = waiting[:at_once], waiting[at_once:]
        for seed in some:
            (root / str(seed)).mkdir()
        running = [start(tree, root / str(seed), seed) for seed in some]
        for process in running:
            output, _ = process.communicate(timeout=600)
            assert process.returncode == 0
            found.append(json.loads(output.splitlines()[-1]))
    return found


def test_the_same_bytes_whatever_the_hash_seed(shared_tree: Path, tmp_path: Path) -> None:
    first, second = results(shared_tree, tmp_path, [0, 4711])
    assert len(first) == 6 and first == second


@pytest.mark.nightly
def test_ten_hash_seeds(shared_tree: Path, tmp_path: Path, record_property: Any) -> None:
    found = results(shared_tree, tmp_path, range(1, 11))
    assert all(one == found[0] for one in found)
    record_property("processes with the same bytes", len(found))
