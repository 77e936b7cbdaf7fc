"""What every test shares: quiet TensorFlow, few threads, and no cache of the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the caches of the person who runs it."""
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN
