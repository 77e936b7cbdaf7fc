"""Lines at the end of a file: results and annotation logs, which grow and are never rewritten.

Serves every user: what was appended is on disk when the call returns, all of it or none.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from kaffect.errors import ArtifactError, StorageError
from kaffect.files import fsync_directory, full_disk_named


def append_line(path: str | Path, line: str) -> None:
    """Append one line in one write and force it to disk (JSON lines of results)."""
    append_lines(path, [line])


def append_lines(path: str | Path, lines: Sequence[str]) -> None:
    """Append lines in one write and force them to disk; after a failure none of them is there.

    Raises:
        StorageError: the disk is full, or the file may not grow.
        ArtifactError: it cannot be written for another reason.
    """
    if any("\n" in line for line in lines):
        raise ValueError("append_lines takes single lines")
    path = Path(path)
    data = "".join(f"{line}\n" for line in lines).encode("utf-8")
    with full_disk_named(path, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        # Of two writers one waits, so that after a failure nothing of the other's is cut off.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        start = os.fstat(descriptor).st_size
        try:
            with full_disk_named(path, len(data)):
                written = os.write(descriptor, data)
                if written < len(data):
                    os.write(descriptor, data[written:])  # says why, or goes on
                if os.fstat(descriptor).st_size < start + len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, start)
            if isinstance(error, StorageError):
                raise
            raise ArtifactError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if new:
        fsync_directory(path.parent)


def ends_with_line(path: Path) -> bool:
    """Whether a file's last line is whole; reads one byte. One that is not there has no line."""
    if not path.exists() or not path.stat().st_size:
        return True
    with open(path, "rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read() == b"\n"


def cut_file(path: str | Path, count: int, keep: str | Path) -> None:
    """Take the last `count` bytes off a file, and append them to the file `keep` first."""
    with open(path, "r+b") as handle:
        handle.seek(-count, os.SEEK_END)
        place = handle.tell()
        with open(keep, "ab") as kept:
            kept.write(handle.read() + b"\n")
            kept.flush()
            os.fsync(kept.fileno())
        handle.truncate(place)
        os.fsync(handle.fileno())


def shorten(path: str | Path, size: int) -> None:
    """Cut a file behind its first `size` bytes: what follows is half of something."""
    with open(path, "r+b") as handle:
        handle.truncate(size)
        os.fsync(handle.fileno())
