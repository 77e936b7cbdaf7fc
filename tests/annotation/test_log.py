"""The log: what was appended is there after a kill, damage is named, nothing is stored twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from kaffect.annotation.log import open_log, read_log
from kaffect.errors import ArtifactError, DatasetError


def event(number: int) -> dict[str, object]:
    return {"kind": "comment", "id": f"s-{number}", "video": "a", "text": f"Nr. {number} <ä>"}


def test_events_come_back_in_order(tmp_path: Path) -> None:
    with open_log(tmp_path, "p1", "anna") as log:
        assert [e["n"] for e in log.append([event(1), event(2)])] == [1, 2]
    with open_log(tmp_path, "p1", "anna") as log:
        assert [e["n"] for e in log.append([event(2), event(3), event(3)])] == [3]
    text = read_log(tmp_path / "log.jsonl", "p1")
    assert [e["id"] for e in text.events] == ["s-1", "s-2", "s-3"]
    assert text.events[2]["text"] == "Nr. 3 <ä>" and text.damaged == ()
    line = (tmp_path / "log.jsonl").read_bytes().split(b"\n")[1]
    assert int(line[:8], 16) == zlib.crc32(line[9:]) and json.loads(line[9:])["n"] == 1


def test_a_damaged_line_is_named_and_the_others_count(tmp_path: Path) -> None:
    with open_log(tmp_path, "p1", "anna") as log:
        log.append([event(n) for n in range(1, 5)])
    path = tmp_path / "log.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"Nr. 2", b"Nr. 7")
    path.write_bytes(b"\n".join(lines))
    text = read_log(path, "p1")
    assert [e["n"] for e in text.events] == [1, 3, 4]
    assert text.damaged == (f"{path}:3: damaged line, left out",)
    with open_log(tmp_path, "p1", "anna") as log:
        assert log.append([event(9)])[0]["n"] == 5


def test_a_write_that_was_cut_off_is_put_aside(tmp_path: Path) -> None:
    with open_log(tmp_path, "p1", "anna") as log:
        log.append([event(1), event(2)])
    path = tmp_path / "log.jsonl"
    whole = path.read_bytes()
    for cut in (1, 10, 40):
        path.write_bytes(whole[:-cut])
        with open_log(tmp_path, "p1", "anna") as log:
            assert [e["n"] for e in log.text.events] == [1] and log.text.damaged == ()
            log.append([event(2)])
        assert [e["id"] for e in read_log(path, "p1").events] == ["s-1", "s-2"]
    assert (tmp_path / "cut_off.txt").read_bytes().count(b"Nr. 2") == 2


def test_a_full_disk_leaves_no_part_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_log(tmp_path, "p1", "anna") as log:
        log.append([event(1)])
        before = log.path.read_bytes()
        import os

        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:9]))
        with pytest.raises(ArtifactError, match="cannot be written"):
            log.append([event(2)])
        monkeypatch.undo()
        assert log.path.read_bytes() == before
        assert log.append([event(2)])[0]["n"] == 2, "it can be sent again"


def test_other_projects_and_other_files_are_refused(tmp_path: Path) -> None:
    with open_log(tmp_path, "p1", "anna"):
        with pytest.raises(DatasetError, match="is being written by process"):
            with open_log(tmp_path, "p1", "anna"):
                pass
    with pytest.raises(DatasetError, match="the log of another project. Expected project p2"):
        with open_log(tmp_path, "p2", "anna"):
            pass
    (tmp_path / "log.jsonl").write_text("hello\nworld\n")
    with pytest.raises(DatasetError, match="not an annotation log"):
        read_log(tmp_path / "log.jsonl", "p1")


WRITER = """
import sys, time
from kaffect.annotation.log import open_log
with open_log(sys.argv[1], "p1", "anna") as log:
    number = max((e["n"] for e in log.text.events), default=0)
    while True:
        number += 1
        log.append([{"kind": "comment", "id": f"s-{number}", "text": "x" * (number % 700)}])
        print(number, flush=True)
"""


def kills(folder: Path, count: int, seed: int) -> None:
    """Kill a writer at random moments: all that it reported as stored must be there."""
    rng = np.random.default_rng(seed)
    stored = 0
    for _ in range(count):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        assert int(first) > stored
        time.sleep(float(rng.uniform(0, 0.05)))
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
        said = [int(line) for line in rest.split("\n") if line.strip()]
        text = read_log(folder / "log.jsonl", "p1")
        numbers = [e["n"] for e in text.events]
        assert text.damaged == () and numbers == list(range(1, len(numbers) + 1))
        stored = max([int(first), *said])
        assert len(numbers) >= stored


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    kills(tmp_path, 3, seed=1)


@pytest.mark.nightly
def test_twenty_kills(tmp_path: Path) -> None:
    kills(tmp_path, 20, seed=2)
