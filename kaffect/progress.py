"""Progress with the time that is left: a bar on a terminal, lines in a log.

Serves every command that takes longer than a few seconds, whether someone watches it or a
cluster keeps its output in a file.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

LINE_EVERY = 30.0  # seconds between two lines in a log


class ProgressDisplay:
    """How far one piece of work is; use it in a `with` statement, from any number of threads.

    On a terminal that has a size it is a bar. Elsewhere it is lines such as

        preparing frames: frame 1200 of 5000, 00:30 elapsed, 01:35 left

    at most one every `every` seconds, and one for each `report`. Work that is done before the
    first line is due prints nothing.

    Args:
        total: how many units there are; 0 where that is not known.
        what: is being done.
        unit: what is counted, in the singular.
        initial: units that an earlier run has done; not counted in the estimate.
        show: False for silence.
        every: seconds between two lines.
        out: a text stream; by default standard error.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        total: int,
        what: str,
        unit: str,
        *,
        initial: int = 0,
        show: bool = True,
        every: float = LINE_EVERY,
        out: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.what, self.unit, self.done = total, what, unit, initial
        self._out = sys.stderr if out is None else out
        self._initial, self._every, self._clock = initial, every, clock
        self._started = self._last = clock()
        self._status, self._scores = "", ""
        self._told: int | None = None  # what the last line said
        self._lock = threading.Lock()
        terminal = show and _has_room(self._out)
        self._lines = show and not terminal
        self._bar: tqdm[Any] | None = None
        if terminal:
            self._bar = tqdm(
                total=total or None, desc=what, unit=unit, initial=initial, file=self._out,
                dynamic_ncols=True, mininterval=0.5, leave=False,
            )  # fmt: skip

    def update(self, units: int = 1, status: str = "") -> None:
        """`units` more are done.

        Args:
            status: what else is known, as "loss 0.31".
        """
        with self._lock:
            self.done += units
            self._status = status
            if self._bar is not None:
                self._bar.set_postfix_str(_joined(status, self._scores), refresh=False)
                self._bar.update(units)
            elif self._lines and self._clock() - self._last >= self._every:
                self._write(status)

    def report(self, scores: str, done: int | None = None) -> None:
        """A validation pass has ended: behind the bar until the next one, or a line at once.

        Args:
            scores: its result, as "ccc_valence 0.512".
            done: how many units are done, where that is not the sum of the updates.
        """
        with self._lock:
            self.done = self.done if done is None else done
            self._scores = scores
            if self._bar is not None:
                self._bar.n = self.done
                self._bar.set_postfix_str(_joined(self._status, scores))
            elif self._lines:
                self._write(_joined(self._status, scores))

    def close(self) -> None:
        """Take the bar away; in a log, say where the work ended if lines told of it before."""
        with self._lock:
            if self._bar is not None:
                self._bar.close()
            elif self._lines and self._told is not None and self._told != self.done:
                self._write(self._status)
            self._lines = False

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._lines = False  # the error speaks for itself
        self.close()

    def _write(self, details: str) -> None:
        now = self._clock()
        self._last, self._told = now, self.done
        elapsed = now - self._started
        of = f" of {self.total}" if self.total else ""
        times = f"{tqdm.format_interval(elapsed)} elapsed"
        new = self.done - self._initial
        if new > 0 and self.total > self.done:
            left = elapsed / new * (self.total - self.done)
            times += f", {tqdm.format_interval(left)} left"
        place = f"{self.what}: {self.unit} {self.done}{of}"
        # One call for the whole line: lines of several threads or processes stay whole.
        self._out.write(f"{_joined(place, details, times)}\n")
        self._out.flush()


def _has_room(out: TextIO) -> bool:
    """Whether `out` is a terminal with a size; those of some containers have none."""
    if not out.isatty():
        return False
    try:
        return min(os.get_terminal_size(out.fileno())) > 0
    except OSError:  # no file behind it
        return True


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
