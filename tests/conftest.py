"""What every test shares: the entry points' process settings, no cache of the user's, a guard."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# As the entry points set it for the whole process; TensorFlow has no public way back.
os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")
# What "auto" means in tests, so that they do not depend on the processor.
os.environ.setdefault("KAFFECT_PRECISION", "float32")

# Changed by pytest with each phase of a test, and by scikit-learn, TensorFlow, h5py and Ray when
# they are imported: in the first test of a process that needs them.
_NOT_OURS = (
    "PYTEST_CURRENT_TEST",
    "KMP_",
    "ENABLE_RUNTIME_UPTIME_TELEMETRY",
    "HDF5_PLUGIN_PATH",
    "TF2_BEHAVIOR",
    "TPU_ML_PLATFORM",
    "RAY_CLIENT_MODE",
)

GOLDEN = Path(__file__).parent / "golden"


def process_state() -> dict[str, Any]:
    """What no test and no library code may leave changed."""
    state: dict[str, Any] = {
        "working directory": os.getcwd(),
        "environment": {k: v for k, v in os.environ.items() if not k.startswith(_NOT_OURS)},
    }
    keras = sys.modules.get("keras")
    state["dtype policy"] = keras.config.dtype_policy().name if keras else "float32"
    state["float type"] = keras.config.floatx() if keras else "float32"
    return state


@pytest.fixture(autouse=True)
def unchanged_process() -> Iterator[None]:
    """Fail the test that leaves Keras' policy, the environment or the directory changed."""
    before = process_state()
    yield
    after = process_state()
    for name, value in before.items():
        assert after[name] == value, f"this test left the {name} changed"


@pytest.fixture(autouse=True)
def own_home(
    unchanged_process: None,  # first, so that it looks after everything else is undone
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No test reads or writes the caches of the person who runs it."""
    monkeypatch.setenv("KAFFECT_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def shared_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny data tree of drawn videos; tests only read it."""
    from tests.data.drawing import build_tree

    return build_tree(tmp_path_factory.mktemp("shared") / "tree")


@pytest.fixture(scope="session")
def prepared(shared_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`shared_tree` prepared without loss of a pixel; tests only read it."""
    from kaffect.data.prepared.prepare import prepare_tree

    out = tmp_path_factory.mktemp("prepared") / "data"
    return prepare_tree(
        shared_tree, out, encoding="png", shard_frames=40, detector="none", progress=False
    )
