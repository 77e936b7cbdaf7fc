"""Under op determinism batches are the same bytes, and are still read while a step runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
STEPS = 6


@pytest.fixture(scope="module")
def found(prepared: Path) -> dict[str, dict[str, Any]]:
    """What `determinism_run.py` prints; a process of its own, for determinism has no way back."""
    # It must begin without determinism.
    environment = {k: v for k, v in os.environ.items() if k != "TF_DETERMINISTIC_OPS"}
    done = subprocess.run(
        [sys.executable, str(HERE / "determinism_run.py"), str(prepared)],
        env={**environment, "PYTHONPATH": str(HERE.parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("stream", ["features", "images", "frames", "gan"])
def test_the_same_batches_and_the_next_is_read_while_a_step_runs(
    found: dict[str, dict[str, Any]], stream: str
) -> None:
    """Each step of the program lasts until the next batch has begun: nothing is timed."""
    assert found[stream]["plain"] == found[stream]["deterministic"]
    assert found[stream]["ahead"] == STEPS - 1
