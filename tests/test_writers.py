"""Every writer of files, let down at every step: what was there stays, or the new is whole.

The steps of `kaffect.files` itself, and processes that are killed: test_files.py.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kaffect import files
from kaffect.errors import StorageError
from tests.full_disk import limited
from tests.writers import WRITERS, Writer

OLD, NEW = 1, 2
_STEPS = ("fsync", "replace", "rename", "mkdir", "chmod", "write", "ftruncate")


class PlannedFailure(Exception):
    """Raised by the planted fault."""


@contextlib.contextmanager
def failing_at(nth: int) -> Iterator[Callable[[], int]]:
    """Let the nth step of writing fail before it is done; give a counter of the steps."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == nth:
            raise PlannedFailure

    def wrapped(real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            step()
            return real(*arguments, **named)

        return call

    def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if set(mode) & set("wax+"):
            step()
        return real_open(file, mode, *arguments, **named)

    real_open = builtins.open
    with pytest.MonkeyPatch.context() as patch:
        for name in _STEPS:
            patch.setattr(os, name, wrapped(getattr(os, name)))
        patch.setattr(files, "_rename", wrapped(files._rename))
        patch.setattr(builtins, "open", opened)
        patch.setattr(io, "open", opened)
        yield lambda: count


class States:
    """A folder with the old state, and what is read before and after the new one."""

    def __init__(self, root: Path, writer: Writer) -> None:
        self.root, self.writer, self._number = root, writer, 0
        self.old = root / "old"
        writer.write(self.old, OLD)
        written = self.copy()
        self.before = writer.read(written)
        writer.write(written, NEW)
        self.after = writer.read(written)
        assert self.before != self.after, "the two must be told apart"
        paths = (path for path in written.rglob("*") if path.is_file())
        self.sizes = {path.stat().st_size for path in paths} - {0}

    def copy(self) -> Path:
        self._number += 1
        return shutil.copytree(self.old, self.root / str(self._number))

    def require_sound(self, folder: Path) -> None:
        """Old or new; the next writer makes the new of it and leaves nothing beside it."""
        found = self.writer.read(folder)
        assert found in (self.before, self.after)
        if found == self.before:
            self.writer.write(folder, NEW)
            assert self.writer.read(folder) == self.after
        assert not list(folder.rglob(".unfinished-*"))
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def not_forced_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power fails here; thousands of real syncs would take minutes."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def sample(items: Sequence[int], most: int | None) -> list[int]:
    """At most so many of them, evenly; the first and the last among them."""
    if most is None or len(items) <= most:
        return list(items)
    return [items[round(n * (len(items) - 1) / (most - 1))] for n in range(most)]


# How many steps or limits of each kind are tried.
SOME_OR_ALL = pytest.mark.parametrize("most", [12, pytest.param(None, marks=pytest.mark.nightly)])


@SOME_OR_ALL
@pytest.mark.parametrize("kind", WRITERS)
def test_a_fault_at_any_step(
    kind: str, most: int | None, tmp_path: Path, record_property: Any
) -> None:
    states = States(tmp_path, WRITERS[kind])
    with failing_at(0) as count:
        states.writer.write(states.copy(), NEW)
    steps = sample(range(1, count() + 1), most)
    assert len(steps) >= 2
    for nth in steps:
        folder = states.copy()
        with failing_at(nth), contextlib.suppress(PlannedFailure):
            states.writer.write(folder, NEW)
        states.require_sound(folder)
    record_property("faults", len(steps))
    record_property("lost or half", 0)


@SOME_OR_ALL
@pytest.mark.parametrize("kind", WRITERS)
def test_no_room(kind: str, most: int | None, tmp_path: Path, record_property: Any) -> None:
    """A file may not grow by its last byte, or not to its half."""
    states = States(tmp_path, WRITERS[kind])
    limits = sorted({limit for size in states.sizes for limit in (size - 1, size // 2)})
    limits = sample(limits, most)
    for limit in limits:
        folder = states.copy()
        with pytest.raises(StorageError) as caught, limited(limit):
            states.writer.write(folder, NEW)
        message = str(caught.value)
        assert str(folder) in message and "\n" not in message
        assert "File too large. Needed: " in message and " Free: " in message
        assert states.writer.read(folder) == states.before, limit
        states.require_sound(folder)
    record_property("limits", len(limits))
    record_property("lost or half", 0)


def test_a_writer_in_place_is_found_out(tmp_path: Path) -> None:
    """The fault that these tests are for: the old file is gone before the new one is whole."""

    def write(root: Path, version: int) -> None:
        root.mkdir(exist_ok=True)
        with open(root / "x", "w") as handle:
            handle.write("x" * version * 1000)
            handle.flush()
            os.fsync(handle.fileno())

    careless = Writer(write, lambda root: str((root / "x").stat().st_size))
    states = States(tmp_path, careless)
    folder = states.copy()
    with pytest.raises(PlannedFailure), failing_at(2):
        write(folder, NEW)
    states.require_sound(folder)  # whole by luck: the second step is only the fsync
    folder = states.copy()
    with pytest.raises(OSError, match="File too large"), limited(1500):
        write(folder, NEW)
    with pytest.raises(AssertionError):
        states.require_sound(folder)
