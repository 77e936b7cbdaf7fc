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


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, reads: dict[str, set[str]]
) -> tuple[Path, Path]:
    """A tree that the renderer did not make, without a test set, and the results of one row."""
    folder = tmp_path_factory.mktemp("end to end")
    tree = build_tree(folder / "tree")
    for task in tree.glob("annotations/*"):
        shutil.rmtree(task / "Test_Set")
    patch = pytest.MonkeyPatch()
    patch.setenv("KAFFECT_HOME", str(folder / "home"))
    arguments = ["--table", "XI", "--row", "2", "--data", str(tree), "--profile", "smoke"]
    try:
        with open(folder / "log", "w") as log, contextlib.redirect_stderr(log):
            with recorded_reads("recognition") as reads["recognition"]:
                assert run.main([*arguments, "--out", str(folder / "out")]) == 0
    finally:
        patch.undo()
    return tree, folder / "out"


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
    patch = pytest.MonkeyPatch()
    patch.setenv("KAFFECT_HOME", str(folder / "home"))
    arguments = ["--table", "IX", "--row", "5", "--data", str(tree), "--profile", "smoke"]
    try:
        with open(folder / "log", "w") as log, contextlib.redirect_stderr(log):
            with recorded_reads("gan") as reads["gan"]:
                assert run.main([*arguments, "--out", str(folder / "out")]) == 0
    finally:
        patch.undo()
    return tree, folder / "out"


@pytest.fixture(scope="session")
def finished_framewise(
    tmp_path_factory: pytest.TempPathFactory, reads: dict[str, set[str]]
) -> tuple[Path, Path]:
    """A tree with three tasks and no test set, and row 9 of Table A4, which learns all three."""
    folder = tmp_path_factory.mktemp("joint")
    tree = build_tree(folder / "tree")
    for task in tree.glob("annotations/*"):
        shutil.rmtree(task / "Test_Set")
    patch = pytest.MonkeyPatch()
    patch.setenv("KAFFECT_HOME", str(folder / "home"))
    arguments = ["--table", "a4", "--row", "9", "--data", str(tree), "--profile", "smoke"]
    try:
        with recorded_reads("framewise") as reads["framewise"]:
            assert run.main([*arguments, "--out", str(folder / "out")]) == 0
    finally:
        patch.undo()
    return tree, folder / "out"


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
