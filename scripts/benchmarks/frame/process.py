"""The process of a variant: it warms up, then makes the steps of a turn whenever it is asked to."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from typing import IO, Any

from scripts.benchmarks.frame.machine import ROOT
from scripts.benchmarks.frame.measure import LeftOut, Step, Time, Variant


class Process:
    """A variant in a process of its own, so that no library warms up another's caches.

    Raises:
        LeftOut: it ends before it is ready, or within a turn; with the last line that it wrote.
    """

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        surroundings = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "PYTHONPATH": path}
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            command,
            env=surroundings | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            self._answer()
        except LeftOut:
            self._release()
            raise

    def turn(self) -> list[Time]:
        """Times of the steps of one turn."""
        return [(wall, busy) for wall, busy in self._ask("turn")["times"]]

    def close(self) -> float:
        """Ends the process; the largest memory that it took, in MiB (0 if it had ended)."""
        try:
            peak: float = self._ask("peak")["peak_mib"]
        except LeftOut:
            peak = 0.0
        self._release()
        return peak

    def _release(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream(self._process.stdin).close()
        self._process.wait()
        self._stream(self._process.stdout).close()
        self._errors.close()

    @staticmethod
    def _stream(stream: IO[str] | None) -> IO[str]:
        assert stream is not None
        return stream

    def _ask(self, what: str) -> dict[str, Any]:
        try:
            print(what, file=self._stream(self._process.stdin), flush=True)
        except BrokenPipeError as error:
            raise LeftOut(self._last_words()) from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._stream(self._process.stdout).readline()
        if not line:
            raise LeftOut(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f"its process ended with code {code}" + (f": {lines[-1].strip()}" if lines else "")


def serve(variant: Variant, steps: int, warmup: int) -> None:
    """What the process does: warm up, then answer each line of standard input with one of JSON."""
    # Libraries print; what they print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    step = variant.make()
    timed(step, variant.warmup if variant.warmup is not None else warmup, variant.own_time)
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        if line.strip() == "turn":
            found = timed(step, variant.steps or steps, variant.own_time)
            print(json.dumps({"times": found}), file=answers, flush=True)
        else:
            print(json.dumps({"peak_mib": peak_mib()}), file=answers, flush=True)


def timed(step: Step, steps: int, own_time: bool = False) -> list[Time]:
    """Seconds and processor seconds of each of `steps` steps."""
    times = []
    for _ in range(steps):
        started, busy = time.perf_counter(), processor_seconds()
        given = step()
        spent = (time.perf_counter() - started, processor_seconds() - busy)
        times.append(_own(given, spent[1]) if own_time else spent)
    return times


def _own(given: Any, busy: float) -> Time:
    return (given[0], given[1]) if isinstance(given, tuple) else (float(given), busy)


def processor_seconds() -> float:
    """Processor seconds of this process and of those that it started and that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_mib() -> float:
    """Largest memory of this process, or of one that it started."""
    return (
        max(
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        / 1024
    )
