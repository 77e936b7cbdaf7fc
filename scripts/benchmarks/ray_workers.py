"""Eight equal rows of Table A1 on Ray's workers of one thread: two against one (Section V).

One worker with all threads stands beside them: what Ray has to be faster than on one machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.benchmarks.frame import Benchmark, Variant, ratio
from scripts.benchmarks.frame.measure import Step

ROOT = Path(__file__).resolve().parents[2]
JOBS, UPDATES = 8, 120
TABLE = ["--table", "A1", "--row", "3", "--seeds", str(JOBS), "--precision", "float32",
         "--set", f"train.steps={UPDATES}"]  # fmt: skip
# Between these lines the rows are trained; Ray has started, the data are open.
BEGIN, END = "Ray: ", "report: "


def seconds_between(command: list[str], environment: dict[str, str]) -> float:
    """Run a table; the seconds from the line that begins with `BEGIN` to that with `END`."""
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, bufsize=1,
    ) as process:  # fmt: skip
        times: dict[str, float] = {}
        for line in process.stdout or ():
            for mark in (BEGIN, END):
                if line.startswith(mark):
                    times.setdefault(mark, time.monotonic())
    if process.returncode or len(times) < 2:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")
    return times[END] - times[BEGIN]


def table_step(workers: int, threads: int) -> Step:
    """One run of the table by so many workers, into a folder that is thrown away."""

    def run() -> float:
        engine = ["--engine", "ray", "--workers", str(workers), "--threads", str(threads)]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "experiments/run.py", *TABLE, *engine]
            return seconds_between([*command, "--out", f"{folder}/out"], dict(os.environ))

    return run


def variant(workers: int, threads: int) -> Variant:
    """So many workers of so many threads."""
    return Variant(lambda: table_step(workers, threads), ("ray",), own_time=True, steps=1, warmup=0)


BENCHMARK = Benchmark(
    title=f"{JOBS} rows of Table A1 (demo, {UPDATES} updates, float32) on Ray's workers",
    variants={
        "one worker of one thread": variant(1, 1),
        "two workers of one thread": variant(2, 1),
        "one worker of two threads": variant(1, 2),
    },
    figures=(
        ratio(
            "one worker / two, of one thread each",
            ("one worker of one thread",),
            ("two workers of one thread",),
            least=1.7,
        ),
        ratio(
            "one worker of two threads / two of one",
            ("one worker of two threads",),
            ("two workers of one thread",),
        ),
    ),
    amount=JOBS,
    unit="rows",
)
