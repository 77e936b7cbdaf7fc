"""Two devices do what one does: gradients, weights, losses, statistics, dropout, checkpoints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kaffect.errors import ConfigError
from kaffect.models.batch_share import BatchShare
from kaffect.training.devices import choose_strategy
from kaffect.training.replicas import shares_of

ROOT = Path(__file__).parents[2]


def differences(folder: Path, *names: str) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "tests.training.two_devices", str(folder), *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def require_equal(found: dict[str, float]) -> None:
    assert found["gradients"] <= 1e-5
    assert found["weights"] <= 1e-5  # after five updates, with batch normalisation's statistics
    assert found["losses"] <= 1e-4  # of five updates of Adam with dropout
    assert found["resumed"] == 0.0
    # What is summed instead of averaged, or not synchronised, is off by this much.
    assert found["largest_gradient"] > 0.01


def test_updates_on_two_devices_are_those_of_one(tmp_path: Path) -> None:
    """Table XI with a fixed CNN; Table A4 with MixAugment and batch normalisation."""
    for found in differences(tmp_path, "fixed", "mixed").values():
        require_equal(found)


@pytest.mark.nightly
def test_updates_end_to_end_on_two_devices_are_those_of_one(tmp_path: Path) -> None:
    require_equal(differences(tmp_path, "end_to_end")["end_to_end"])


def test_a_batch_is_shared_out_whole_and_evenly() -> None:
    assert shares_of(7, 3) == [BatchShare(0, 3, 7), BatchShare(3, 2, 7), BatchShare(5, 2, 7)]
    assert shares_of(4, 1) == [BatchShare(0, 4, 4)]
    with pytest.raises(ConfigError, match="batch size on 4 devices. Expected at least 4.*: 3"):
        shares_of(3, 4)


@pytest.mark.parametrize("devices", [[], ["GPU:17"], ["CPU:0", "CPU:0"]])
def test_devices_that_cannot_be_had_are_refused_in_one_line(devices: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_strategy(devices)
    text = str(caught.value)
    assert "one or more of CPU:0" in text and repr(devices) in text and "\n" not in text
