"""One tiny data tree for all tests of the data path, plain and prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from .drawing import build_tree


@pytest.fixture(scope="session")
def shared_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that tests only read."""
    return build_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def prepared(shared_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`shared_tree` prepared without loss of a pixel; tests only read it."""
    from kaffect.data.prepared.prepare import prepare_tree

    out = tmp_path_factory.mktemp("prepared") / "data"
    return prepare_tree(
        shared_tree, out, encoding="png", shard_frames=40, detector="none", progress=False
    )
