"""A GAN in training takes no more memory the longer it runs: validation, checkpoints and all.

Run as a program by its own tests, each in a process of its own, so that nothing that other
tests leave or free is counted: `test_gan_memory.py FOLDER UPDATES BYTES` keeps BYTES at each
validation pass and prints by how many bytes it has grown since update 100.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The pictures of the 50 updates between two validation passes, kept by mistake, would be
# 5.5 MB each time.
LEAK = 50 * 4 * 96 * 96 * 3
ALLOWED = 5e6


def _growth(folder: Path, updates: int, leak: int = 0) -> int:
    command = [sys.executable, __file__, str(folder), str(updates), str(leak)]
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_memory_stays_constant(tmp_path: Path) -> None:
    assert _growth(tmp_path, 300) < ALLOWED


@pytest.mark.nightly
def test_memory_stays_constant_over_a_thousand_updates(tmp_path: Path) -> None:
    assert _growth(tmp_path, 1100) < ALLOWED


@pytest.mark.nightly
def test_a_leak_would_be_seen(tmp_path: Path) -> None:
    assert _growth(tmp_path, 300, LEAK) > ALLOWED


def _resident() -> int:
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as handle:
        return int(handle.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(folder: Path, updates: int, leak: int) -> None:
    """Train with a validation pass every 50 updates; print the growth."""
    from kaffect.config import GanConfig
    from kaffect.training.checkpoints import CheckpointFolder
    from kaffect.training.loop import train
    from tests.training import tiny_gan

    config = GanConfig().changed({
        "model.width": 0.03, "data.batch": 4, "train.rounds": "DG", "train.steps": updates,
        "train.evaluate_every": 50,
    })  # fmt: skip
    sizes, kept = {}, []

    def keep(entry: dict) -> None:
        kept.append(bytearray(b"1") * leak)
        sizes[entry["step"]] = _resident()

    train(
        tiny_gan.make_trainer(config),
        lambda first, count: tiny_gan.batches(first, count, config.data.batch),
        lambda: {"score": 0.0},
        tiny_gan.schedule(config),
        CheckpointFolder(folder),
        on_validation=keep,
    )
    print(sizes[updates] - sizes[100])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
