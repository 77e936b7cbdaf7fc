"""An annotator's log: events are appended and never changed (paper Section III-B).

A line is the CRC-32 of its JSON in hex, a space, and the JSON. The first line names
project and annotator. What has been appended is on disk when `append` returns, so
that a kill loses only what had not arrived. A line whose checksum does not fit is
named and left out; the others count.
"""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaffect.appending import append_lines, cut_file
from kaffect.errors import DatasetError
from kaffect.files import writer_lock

FORMAT = 1
FILE = "log.jsonl"


@dataclass(frozen=True)
class LogText:
    """What a log file says.

    Attributes:
        header: of the first line: 'format', 'project' (its id), 'annotator'.
        events: the events in order; each has 'n' (from 1), 'at' (seconds since 1970) and 'kind'.
        damaged: one sentence for each line that cannot be read.
        torn: bytes behind the last line end, of a write that power or disk cut off.
    """

    path: Path
    header: dict[str, Any]
    events: list[dict[str, Any]]
    damaged: tuple[str, ...]
    torn: int = 0


def encode(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return f"{zlib.crc32(text.encode()):08x} {text}"


def decode(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, or None where the line is damaged."""
    checksum, _, text = line.partition(b" ")
    try:
        if len(checksum) != 8 or int(checksum, 16) != zlib.crc32(text):
            return None
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def read_log(path: str | Path, project: str) -> LogText:
    """Read a log; a file that another process is appending to may be read.

    Raises:
        DatasetError: no log, or the log of another project.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    *lines, rest = data.split(b"\n")
    header, events, damaged = None, [], []
    for number, line in enumerate(lines, 1):
        value = decode(line)
        if value is None:
            damaged.append(f"{path}:{number}: damaged line, left out")
        elif number == 1:
            header = value
        else:
            events.append(value)
    if header is None and not damaged:
        header = {}
    elif header is None or "project" not in header:
        raise DatasetError(f"{path}:1: not an annotation log, or its first line is damaged")
    if header and (header["project"] != project or header.get("format") != FORMAT):
        raise DatasetError(
            f"{path}: the log of another project. Expected project {project}, format {FORMAT}. "
            f"Received: {header['project']}, format {header.get('format')}"
        )
    return LogText(path, header, events, tuple(damaged), len(rest))


class LogWriter:
    """Appends to one log; made by `open_log`."""

    def __init__(self, text: LogText) -> None:
        self.path = text.path
        self.text = text
        self._number = max((event["n"] for event in text.events), default=0)
        self._known = {event["id"] for event in text.events if "id" in event}

    def append(self, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Append events and force them to disk; one whose 'id' is there already is left out.

        Returns:
            What was appended, with 'n' and 'at'.
        """
        new: list[dict[str, Any]] = []
        ids: set[str] = set()
        for event in events:
            if event.get("id") in self._known | ids:
                continue
            if "id" in event:
                ids.add(event["id"])
            number = self._number + len(new) + 1
            new.append({"n": number, "at": round(time.time(), 3), **event})
        if new:
            append_lines(self.path, [encode(event) for event in new])
            self._known |= ids
            self._number += len(new)
        return new


@contextlib.contextmanager
def open_log(folder: str | Path, project: str, annotator: str) -> Iterator[LogWriter]:
    """Open an annotator's log for writing and keep other processes from it.

    A write that was cut off is taken off the end and kept in `cut_off.txt`.

    Raises:
        DatasetError: another process has it open, or it is the log of another project.
    """
    path = Path(folder) / FILE
    with writer_lock(path, f"the log of {annotator!r}"):
        if path.exists():
            text = read_log(path, project)
            if text.torn:
                cut_file(path, text.torn, path.with_name("cut_off.txt"))
        if not path.exists() or not path.stat().st_size:
            header = {"format": FORMAT, "project": project, "annotator": annotator}
            append_lines(path, [encode(header)])
        yield LogWriter(read_log(path, project))
