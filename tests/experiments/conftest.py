"""One small table, run from the command line once for all tests of what it leaves behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments import run
from tests.data.drawing import build_tree


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tree that the renderer did not make, without a test set, and the results of one row."""
    folder = tmp_path_factory.mktemp("end to end")
    tree = build_tree(folder / "tree")
    for task in tree.glob("annotations/*"):
        shutil.rmtree(task / "Test_Set")
    patch = pytest.MonkeyPatch()
    patch.setenv("KAFFECT_HOME", str(folder / "home"))
    arguments = ["--table", "XI", "--row", "2", "--data", str(tree), "--profile", "smoke"]
    try:
        assert run.main([*arguments, "--out", str(folder / "out")]) == 0
    finally:
        patch.undo()
    return tree, folder / "out"
