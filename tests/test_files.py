"""kaffect.files: complete or not at all, and nothing outside its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kaffect import appending, files
from kaffect.errors import ArtifactError, DatasetError


class PlannedFailure(Exception):
    """Raised by the planted fault."""


def _fail_at(monkeypatch: pytest.MonkeyPatch, nth: int) -> Callable[[], int]:
    """Let the nth call of fsync or replace fail; give a counter of the calls made."""
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
    return lambda: calls


@pytest.mark.parametrize("nth", range(1, 5))
def test_a_failed_write_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    target = tmp_path / "value.txt"
    files.write_text(target, "old")
    calls = _fail_at(monkeypatch, nth)
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


def test_append_line_adds_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    appending.append_line(path, '{"a": 1}')
    appending.append_line(path, '{"a": 2}')
    assert path.read_bytes() == b'{"a": 1}\n{"a": 2}\n'
    with pytest.raises(ValueError, match="single line"):
        appending.append_line(path, "a\nb")


def test_read_json_is_strict(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"loss": Infinity}')
    with pytest.raises(ArtifactError, match="Infinity"):
        files.read_json(tmp_path / "x.json")
    with pytest.raises(ArtifactError, match="missing.json"):
        files.read_json(tmp_path / "missing.json")
