"""Small tables, run from the command line once for all tests of what they leave behind."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import kaffect.studies.runner  # noqa: F401 - what libraries put into the environment is there
from experiments import run
from tests.data.drawing import build_tree, write_boxes
from tests.studies.reads import recorded_reads


@pytest.fixture(scope="session")
def reads() -> dict[str, set[str]]:
    """Study -> the settings that its table below has read."""
    return {}


def train(folder: Path, study: str, table: str, row: str, reads: dict[str, set[str]]) -> Path:
    """Train one row on `folder/tree`; the results. What was printed to stderr is in `log`."""
    arguments = ["--table", table, "--row", row, "--data", str(folder / "tree")]
    arguments += ["--profile", "smoke", "--out", str(folder / "out")]
    with pytest.MonkeyPatch.context() as patch, open(folder / "log", "w") as log:
        patch.setenv("KAFFECT_HOME", str(folder / "home"))
        with contextlib.redirect_stderr(log), recorded_reads(study) as reads[study]:
            assert run.main(arguments) == 0
    return folder / "out"


def tree_without_a_test_set(root: Path) -> Path:
    """That of `build_tree`, whose tasks all have a training and a validation set."""
    tree = build_tree(root)
    for task in tree.glob("annotations/*"):
        shutil.rmtree(task / "Test_Set")
    return tree


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, reads: dict[str, set[str]]
) -> tuple[Path, Path]:
    """A tree that the renderer did not make, without a test set, and the results of one row."""
    folder = tmp_path_factory.mktemp("end to end")
    tree = tree_without_a_test_set(folder / "tree")
    return tree, train(folder, "recognition", "XI", "2", reads)


@pytest.fixture(scope="session")
def finished_gan_table(
    tmp_path_factory: pytest.TempPathFactory, reads: dict[str, set[str]]
) -> tuple[Path, Path]:
    """A small tree, and the results of Table IX's joint row with the mean squared error."""
    folder = tmp_path_factory.mktemp("gan table")
    tree = build_tree(folder / "tree")
    # Without boxes these have no face: no detector finds one in bars.
    write_boxes(tree, "b_right", range(40))
    write_boxes(tree, "d", range(33))
    return tree, train(folder, "gan", "IX", "5", reads)


@pytest.fixture(scope="session")
def finished_framewise(
    tmp_path_factory: pytest.TempPathFactory, reads: dict[str, set[str]]
) -> tuple[Path, Path]:
    """A tree with three tasks and no test set, and row 9 of Table A4, which learns all three."""
    folder = tmp_path_factory.mktemp("joint")
    tree = tree_without_a_test_set(folder / "tree")
    return tree, train(folder, "framewise", "a4", "9", reads)


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """Sixty pictures, dark for Anger and bright for Happiness, no other label."""
    lines = ["path,expression,split"]
    for number in range(60):
        bright = number % 2
        image = np.full((40, 40), 220 if bright else 30, np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
        split = ("train", "train", "validation", "test")[number // 2 % 4]
        lines.append(f"{number}.png,{'Happiness' if bright else 'Anger'},{split}")
    path = tmp_path / "faces.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
