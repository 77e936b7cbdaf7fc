"""Start-up of `kaffect predict`: until its first row, beside `import tensorflow` alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.benchmarks.frame import Benchmark, Variant, ratio
from scripts.benchmarks.frame.measure import Step, Time

# Ends with the first row that the command writes.
_PROGRAM = """
import os, sys
from kaffect.cli import main
from kaffect.serving.predict import tables
tables.CsvTable.add = lambda *_: os._exit(77)
main(sys.argv[1:])
"""


def _timed(command: list[str], code: int) -> Time:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, errors = process.communicate()
    wall = time.perf_counter() - began
    if process.returncode != code:
        raise RuntimeError(errors.decode(errors="replace")[-400:])
    return wall, 0.0


def _with_processor_time(command: list[str], code: int = 0) -> Time:
    before = os.times()
    wall, _ = _timed(command, code)
    after = os.times()
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system


def import_step() -> Step:
    """`import tensorflow` in a new process."""
    return lambda: _with_processor_time([sys.executable, "-c", "import tensorflow"])


def first_row_step() -> Step:
    """The first row of a video of 640x480 with the project's own network."""
    from scripts.benchmarks.frame.clips import clips

    root = Path(tempfile.mkdtemp())
    words = ["predict", str(clips(root)[0]), "--out", str(root / "out"), "--no-summary"]
    return lambda: _with_processor_time([sys.executable, "-c", _PROGRAM, *words], 77)


BENCHMARK = Benchmark(
    title="start of a process until the first row of kaffect predict, or with TensorFlow imported",
    variants={
        "import tensorflow": Variant(import_step, own_time=True),
        "first row": Variant(first_row_step, own_time=True),
    },
    figures=[
        ratio("first row / import tensorflow", ["first row"], ["import tensorflow"], most=1.3)
    ],
    steps=1,
    warmup=1,
    turns=7,
)
