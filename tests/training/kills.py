"""Training programs that are killed and go on, for the tests of the training loop."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

from kaffect.training.checkpoints import CheckpointFolder


def _start(program: ModuleType, folder: Path, pause: float, *more: str) -> subprocess.Popen[str]:
    """`program FOLDER PAUSE MORE`, where the pause is the seconds that a batch waits."""
    path = Path(str(program.__file__))
    command = [sys.executable, str(path), str(folder), str(pause), *more]
    environment = {
        "PYTHONPATH": str(path.parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def whole(program: ModuleType, folder: Path, *more: str) -> str:
    """The hash that the uninterrupted run prints."""
    output, _ = _start(program, folder, 0.0, *more).communicate()
    assert len(output.strip()) == 64, "the uninterrupted run must print its hash"
    return output.strip()


def with_kills(program: ModuleType, folder: Path, kills: int, steps: int, *more: str) -> str:
    """Kill the run `kills` times after it has written another checkpoint, then let it end."""
    checkpoints = CheckpointFolder(folder)
    for _ in range(kills):
        before = checkpoints.last()
        process = _start(program, folder, 0.1 if more else 0.03, *more)
        while checkpoints.last() == before and process.poll() is None:
            time.sleep(0.005)
        assert process.poll() is None, "the run ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = checkpoints.last()
    assert last is not None and 0 < last < steps, "the kill must leave work to do"
    return whole(program, folder, *more)
