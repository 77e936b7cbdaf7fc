"""Two processes that prepare the same data at one moment, as two tables do on a fresh cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow  # noqa: F401 - what it puts into the environment is there

from kaffect.data.prepared import prepare, prepare_stills
from kaffect.errors import DatasetError
from kaffect.files import writer_lock

# Says when it writes a data set, and then which folder it has.
PROGRAM = """
import sys
from kaffect.data.prepared import prepare, prepare_stills
for module in prepare, prepare_stills:
    def told(*arguments, write=module.write_prepared):
        print("written", flush=True)
        return write(*arguments)
    module.write_prepared = told
path = sys.argv[1]
if path.endswith(".csv"):
    print(prepare_stills.prepare_stills(path, image_size=32, progress=False))
else:
    print(prepare.prepare_tree(path, image_size=32, detector="none", progress=False))
"""


def list_of_stills(folder: Path) -> Path:
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((40, 40), 90 * number, np.uint8))
    path = folder / "faces.csv"
    path.write_text("path,expression,split\n0.png,Anger,train\n1.png,Happiness,validation\n")
    return path


@pytest.fixture(params=["tree", "stills"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[..., Path]]:
    """What is prepared, and how."""
    settings: Any = {"image_size": 32, "progress": False}
    if request.param == "stills":
        path = list_of_stills(tmp_path)
        return path, lambda *a: prepare_stills.prepare_stills(path, *a, **settings)
    tree: Path = request.getfixturevalue("shared_tree")
    return tree, lambda *a: prepare.prepare_tree(tree, *a, detector="none", **settings)


@contextmanager
def another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, str(path)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_both_have_the_folder_of_the_cache_and_one_makes_it(
    data: tuple[Path, Callable[..., Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, make = data
    out = make()
    shutil.rmtree(out)
    written = []
    for module in (prepare, prepare_stills):
        write: Any = module.write_prepared

        def told(*arguments: Any, write: Any = write) -> None:
            written.append("written")
            write(*arguments)

        monkeypatch.setattr(module, "write_prepared", told)
    with another_process(path) as process:
        with writer_lock(out, "the prepared data set"):
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")
            assert any(line.startswith("waiting for process") for line in lines)
        assert make() == out
        text, _ = process.communicate()
    assert process.returncode == 0
    assert [*written, *text.split()] == ["written", str(out)], "one of the two has made it"


def test_a_named_folder_is_refused(data: tuple[Path, Callable[..., Path]], tmp_path: Path) -> None:
    _, make = data
    with writer_lock(tmp_path / "mine", "the prepared data set"):
        with pytest.raises(DatasetError, match="mine: the prepared data set is being written by"):
            make(tmp_path / "mine")
