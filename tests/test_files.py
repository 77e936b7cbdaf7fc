"""kaffect.files: complete or not at all, whatever fails or is killed; safe paths and manifests."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kaffect import files
from kaffect.errors import ArtifactError, DatasetError, KaffectError, StorageError

STEPS = 12
ROOT = Path(__file__).parent.parent


class PlannedFailure(Exception):
    """Raised by the planted fault."""


def write_folder(path: Path, content: str) -> None:
    with files.atomic_directory(path) as folder:
        (folder / "a").write_text(content)
        (folder / "b").write_text(content)


def write_file(path: Path, content: str) -> None:
    files.write_text(path, content)


def content(path: Path) -> str:
    """What is there, the same in every file of a folder."""
    if path.is_file():
        return path.read_text()
    (only,) = {child.read_text() for child in path.iterdir()}
    assert sorted(child.name for child in path.iterdir()) == ["a", "b"]
    return only


def without_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "exchange", lambda first, second: False)


def fail_at(monkeypatch: pytest.MonkeyPatch, nth: int) -> Callable[[], int]:
    """Let the nth fsync, rename or exchange fail; give a counter of them."""
    calls = 0

    def wrap(real: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls == nth:
                raise PlannedFailure
            return real(*arguments)

        return wrapped

    monkeypatch.setattr(files.os, "fsync", wrap(os.fsync))
    monkeypatch.setattr(files.os, "replace", wrap(os.replace))
    monkeypatch.setattr(files, "exchange", wrap(files.exchange))
    return lambda: calls


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("exchanged", [True, False])
def test_a_failure_at_any_step_leaves_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None], exchanged: bool
) -> None:
    target = tmp_path / "data"
    reached = failed = 0
    for nth in range(1, STEPS):
        with monkeypatch.context() as patch:
            write(target, "old")
            if not exchanged:
                without_exchange(patch)
            calls = fail_at(patch, nth)
            try:
                write(target, "new")
            except PlannedFailure:
                failed += 1
            reached = max(reached, calls())
        assert content(target) in ("old", "new")
        assert [p.name for p in tmp_path.iterdir()] == ["data"]
    assert failed == reached < STEPS - 1, "every step must be covered"


# Ends the process without a word at its nth fsync, rename or exchange.
KILLED = """
import os, sys
from pathlib import Path
from kaffect import files
nth, exchanged, kind, target = int(sys.argv[1]), sys.argv[2] == "True", sys.argv[3], sys.argv[4]
if not exchanged:
    files.exchange = lambda first, second: False
calls = 0
def wrap(real):
    def wrapped(*arguments):
        global calls
        calls += 1
        if calls == nth:
            os._exit(9)
        return real(*arguments)
    return wrapped
os.fsync, os.replace = wrap(os.fsync), wrap(os.replace)
files.exchange = wrap(files.exchange)
if kind == "file":
    files.write_text(target, "new")
else:
    with files.atomic_directory(target) as folder:
        (folder / "a").write_text("new")
        (folder / "b").write_text("new")
"""


@pytest.mark.parametrize("exchanged", [True, False])
def test_a_kill_at_any_step_loses_nothing(tmp_path: Path, exchanged: bool) -> None:
    """The next writer beside it puts back what was being replaced, and removes the rest."""
    killed = 0
    for nth in range(1, 9):
        target = tmp_path / str(nth) / "data"
        write_folder(target, "old")
        arguments = [str(nth), str(exchanged), "folder", str(target)]
        code = subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=ROOT).returncode
        assert code in (0, 9)
        killed += code == 9
        write_folder(target.with_name("other"), "x")
        assert content(target) in ("old", "new")
        assert sorted(p.name for p in target.parent.iterdir()) == ["data", "other"]
    assert 4 <= killed < 8, "every step must be covered"


@pytest.mark.parametrize("system", [True, False])
def test_what_must_not_be_replaced_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: bool
) -> None:
    """Two write at the same time: the first to end wins, the second is told."""
    if not system:
        monkeypatch.setattr(files, "_rename", lambda first, second, flag: False)
    path = tmp_path / "1"
    with pytest.raises(ArtifactError, match=f"^{path}: exists already"):
        with files.atomic_directory(path, replace=False) as folder:
            (folder / "a").write_text("second")
            with files.atomic_directory(path, replace=False) as other:
                (other / "a").write_text("first")
                (other / "b").write_text("first")
    assert content(path) == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["1"]


def test_a_folder_that_comes_at_the_last_moment_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "1"
    exists = Path.exists

    def made_after_the_look(self: Path) -> bool:
        found = exists(self)
        if self == path and not found:
            self.mkdir()
            (self / "a").write_text("first")
            (self / "b").write_text("first")
        return found

    monkeypatch.setattr(files.Path, "exists", made_after_the_look)
    with pytest.raises(ArtifactError, match="exists already"):
        with files.atomic_directory(path, replace=False) as folder:
            (folder / "a").write_text("second")
    assert content(path) == "first"


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_kept(tmp_path: Path) -> None:
    (tmp_path / ".unfinished-dead-x").mkdir()
    (tmp_path / ".unfinished-dead-y").write_text("half")
    (tmp_path / "outside").write_text("kept")
    (tmp_path / ".unfinished-link").symlink_to(tmp_path / "outside")
    with files.atomic_directory(tmp_path / "one") as one:
        (one / "a").write_text("1")
        with files.atomic_write(tmp_path / "file") as handle:
            handle.write("1")
            # Another writer beside both.
            write_folder(tmp_path / "two", "2")
            assert one.is_dir()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [".unfinished-link", "file", "one", "outside", "two"]
    assert (tmp_path / "outside").read_text() == "kept"


def test_a_temporary_file_that_was_taken_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its making and its lock another writer removes it."""
    taken = []

    def flock(descriptor: int, operation: int) -> None:
        if not taken:
            taken.append(1)
            files.shutil.rmtree(next(tmp_path.glob(".unfinished-*")))
        fcntl_flock(descriptor, operation)

    fcntl_flock = fcntl.flock
    monkeypatch.setattr(files.fcntl, "flock", flock)
    write_folder(tmp_path / "data", "new")
    assert taken and content(tmp_path / "data") == "new"


@pytest.mark.parametrize("name", ["n" * 244, "n" * 255, "ü" * 127])
def test_long_names(tmp_path: Path, name: str) -> None:
    write_file(tmp_path / name, "x")
    assert content(tmp_path / name) == "x"
    (tmp_path / name).unlink()
    write_folder(tmp_path / name, "y")
    assert content(tmp_path / name) == "y"


# Each writer is a process whose files may not grow beyond 64 KiB, as on a full disk.
LIMITED = """
import resource, sys
from pathlib import Path
from kaffect import appending, files
from kaffect.errors import KaffectError
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
path = Path(sys.argv[2])
try:
    if sys.argv[1] == "text":
        files.write_text(path, "x" * 100_000)
    elif sys.argv[1] == "stream":
        with files.atomic_write(path, "wb") as handle:
            for _ in range(100):
                handle.write(b"x" * 1000)
    elif sys.argv[1] == "folder":
        with files.atomic_directory(path) as folder:
            (folder / "big").write_bytes(b"x" * 100_000)
    else:
        appending.append_lines(path, ["y" * 40_000, "z" * 40_000])
except KaffectError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.parametrize("kind", ["text", "stream", "folder", "append"])
@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_may_not_grow(tmp_path: Path, kind: str, there: bool) -> None:
    path = tmp_path / "data"
    if there and kind == "folder":
        write_folder(path, "old")
    elif there:
        path.write_text("old\n")
    process = subprocess.run(
        [sys.executable, "-c", LIMITED, kind, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 2 and process.stderr == ""
    (line,) = process.stdout.splitlines()
    assert line.startswith(f"{path}: cannot be written: File too large") and "Free: " in line
    needed = {"text": "100000 bytes", "append": "80002 bytes"}.get(kind, "more than is free")
    assert f"Needed: {needed}" in line
    if there:
        assert content(path) == ("old" if kind == "folder" else "old\n")
    else:
        assert not path.exists() or path.read_bytes() == b""
    assert [p.name for p in tmp_path.glob(".unfinished*")] == []


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        with files.atomic_write(tmp_path / "x"):
            raise PermissionError(13, "Permission denied")
    assert issubclass(StorageError, KaffectError) and issubclass(StorageError, OSError)


@pytest.mark.parametrize("nth", range(1, 5))
def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    target = tmp_path / "value.txt"
    files.write_text(target, "old")
    calls = fail_at(monkeypatch, nth)
    if nth <= 3:
        with pytest.raises(PlannedFailure):
            files.write_text(target, "new")
        # The third call syncs the folder, after the rename: the new file is complete.
        assert target.read_text() == ("new" if nth == 3 else "old")
    else:
        files.write_text(target, "new")
        assert calls() == 3, "the loop above must cover every step of a write"
    assert [p.name for p in tmp_path.iterdir()] == ["value.txt"]


def test_a_failed_folder_keeps_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with files.atomic_directory(target) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(PlannedFailure):
        with files.atomic_directory(target) as folder:
            (folder / "a").write_text("new")
            raise PlannedFailure
    assert (target / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["data"]
    with files.atomic_directory(target) as folder:
        (folder / "b").write_text("newer")
    assert [p.name for p in target.iterdir()] == ["b"]
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def _sealed(root: Path) -> Path:
    root.mkdir()
    (root / "one").write_bytes(b"1234")
    (root / "two").write_bytes(b"5678")
    files.write_manifest(root, {"schema": 1})
    return root


def test_manifest_accepts_what_it_describes(tmp_path: Path) -> None:
    manifest = files.verify_manifest(_sealed(tmp_path / "x"))
    assert [(e["name"], e["bytes"]) for e in manifest["files"]] == [("one", 4), ("two", 4)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: (r / "one").write_bytes(b"12"), "Expected 4 bytes. Received: 2"),
        (lambda r: (r / "one").write_bytes(b"1235"), "Expected SHA-256"),
        (lambda r: (r / "two").unlink(), "missing"),
        (lambda r: (r / "three").write_bytes(b""), "foreign"),
        (lambda r: (r / "manifest.json").write_text('{"files": NaN}'), "NaN"),
        (lambda r: (r / "manifest.json").write_text("{}"), "no list 'files'"),
        (
            lambda r: (r / "manifest.json").write_text(
                '{"files": [{"name": "../y", "bytes": 1, "sha256": ""}]}'
            ),
            "leaves the folder",
        ),
    ],
)
def test_manifest_refuses_damage(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    root = _sealed(tmp_path / "x")
    damage(root)
    with pytest.raises((ArtifactError, DatasetError), match=message):
        files.verify_manifest(root)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "nul\0byte", "../out-evil/x"])
def test_safe_join_refuses_hostile_names(tmp_path: Path, name: str) -> None:
    root = tmp_path / "out"
    root.mkdir()
    with pytest.raises(DatasetError):
        files.safe_join(root, name)


def test_safe_join_follows_links(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(DatasetError):
        files.safe_join(tmp_path / "root", "link", "secret")
    inside = files.safe_join(tmp_path / "root", "a", "b.txt")
    assert inside == (tmp_path / "root" / "a" / "b.txt").resolve()


def test_two_writers_one_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from kaffect.files import writer_lock\n"
        "from kaffect.errors import DatasetError\n"
        "try:\n"
        "    with writer_lock(sys.argv[1], 'the data'): print('got it')\n"
        "except DatasetError as error: print(error)\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", code, str(tmp_path / "data")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with files.writer_lock(tmp_path / "data", "the data"):
        assert f"process {os.getpid()}" in other()
    assert other() == "got it\n"


def test_read_json_is_strict(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"loss": Infinity}')
    with pytest.raises(ArtifactError, match="Infinity"):
        files.read_json(tmp_path / "x.json")
    with pytest.raises(ArtifactError, match="missing.json"):
        files.read_json(tmp_path / "missing.json")
