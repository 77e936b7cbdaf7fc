"""kaffect.appending: whole lines at the end of a file, or none."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from kaffect import appending
from kaffect.errors import StorageError


def test_append_line_adds_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    appending.append_line(path, '{"a": 1}')
    appending.append_line(path, '{"a": 2}')
    assert path.read_bytes() == b'{"a": 1}\n{"a": 2}\n'
    with pytest.raises(ValueError, match="single line"):
        appending.append_line(path, "a\nb")


@pytest.mark.parametrize(
    ("text", "whole"), [(None, True), (b"", True), (b"a\n", True), (b"a", False), (b"a\nb", False)]
)
def test_a_cut_line_is_seen(tmp_path: Path, text: bytes | None, whole: bool) -> None:
    if text is not None:
        (tmp_path / "lines").write_bytes(text)
    assert appending.ends_with_line(tmp_path / "lines") is whole


def test_what_is_cut_off_is_kept(tmp_path: Path) -> None:
    path, kept = tmp_path / "lines", tmp_path / "kept"
    for text in (b"one\ntwo", b"one\nthree"):
        path.write_bytes(text)
        appending.cut_file(path, len(text) - 4, kept)
        assert path.read_bytes() == b"one\n"
    assert kept.read_bytes() == b"two\nthree\n"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device that is always full."""
    (tmp_path / "full").symlink_to("/dev/full")
    monkeypatch.setattr(appending.os, "ftruncate", lambda *_: None)  # it has no length
    with pytest.raises(StorageError, match="No space left on device. Needed: 2 bytes. Free: "):
        appending.append_line(tmp_path / "full", "x")


def test_an_appender_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one that fails beside it would otherwise cut off what this one wrote."""
    path = tmp_path / "lines"
    write = os.write
    held = []

    def checked(descriptor: int, data: bytes) -> int:
        with open(path) as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append(data)
        return write(descriptor, data)

    monkeypatch.setattr(appending.os, "write", checked)
    appending.append_line(path, "x")
    assert held == [b"x\n"] and path.read_text() == "x\n"
    with open(path) as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
