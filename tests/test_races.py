"""Two processes that write the same thing at one moment: one of the two, whole, nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.writers import WRITERS, Writer

ROOT = Path(__file__).parent.parent
RACES = 20
# Waits for a line before each race, so that both begin together; says how each one ended.
PROGRAM = """
import sys
from pathlib import Path
from kaffect.errors import KaffectError
from tests.writers import WRITERS
root, version = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for line in sys.stdin:
    kind, number = line.strip().split(";")
    try:
        WRITERS[kind].write(root / kind / number, version)
    except KaffectError as error:
        print("refused:", error, flush=True)
    else:
        print("written", flush=True)
"""


def start(root: Path, version: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KAFFECT_HOME": str(root / "home")}
    words = [sys.executable, "-c", PROGRAM, str(root), str(version)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL, **pipes)


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def alone(root: Path, kind: str, writer: Writer) -> dict[int, str]:
    """What is read where only one has written."""
    found = {}
    for version in (2, 3):
        folder = root / kind / f"alone {version}"
        folder.parent.mkdir(exist_ok=True)
        writer.write(folder, version)
        found[version] = writer.read(folder)
    return found


@pytest.mark.nightly
def test_two_processes_write_the_same_thing(tmp_path: Path, record_property: Any) -> None:
    processes = [start(tmp_path, version) for version in (2, 3)]
    try:
        assert [answer(process) for process in processes] == ["ready", "ready"]
        for kind, writer in WRITERS.items():
            expected = alone(tmp_path, kind, writer)
            for number in range(RACES):
                _one_race(processes, tmp_path / kind / str(number), kind, writer, expected)
            record_property("races", RACES)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    record_property("mixed", 0)


def _one_race(
    processes: list[subprocess.Popen[str]],
    folder: Path,
    kind: str,
    writer: Writer,
    expected: dict[int, str],
) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{kind};{folder.name}\n")
        process.stdin.flush()
    ends = [answer(process) for process in processes]
    assert "written" in ends
    assert all(end == "written" or "process" in end or "exists" in end for end in ends), ends
    found = writer.read(folder)
    if kind in ("results", "annotation log"):
        # Each has added its own lines, whole: reading them back would fail otherwise.
        assert kind != "results" or found.count('"v"') == ends.count("written")
    else:
        won = [v for v, end in zip((2, 3), ends, strict=True) if end == "written"]
        assert found in [expected[version] for version in won], (kind, ends)
    assert not list(folder.rglob(".unfinished-*"))
