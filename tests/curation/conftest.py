"""The tree that the tests of curation share."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaffect.data.tree import DataTree


@pytest.fixture(scope="module")
def tree(shared_tree: Path) -> DataTree:
    return DataTree.open(shared_tree)
