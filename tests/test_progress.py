"""Progress: lines in a log, a bar on a terminal, and the time left worked out by hand."""

from __future__ import annotations

import io
import os
import re
import select
import termios
from collections.abc import Callable
from typing import Any

import pytest

from kaffect.progress import ProgressDisplay
from kaffect.training.progress import StepProgress


class Clock:
    """Seconds that grow only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Stream(io.StringIO):
    """Remembers what had been written whenever it was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = ""

    def flush(self) -> None:
        self.flushed = self.getvalue()


Make = Callable[..., ProgressDisplay]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Stream:
    return Stream()


@pytest.fixture
def make(clock: Clock, log: Stream) -> Make:
    def display(total: int, **settings: Any) -> ProgressDisplay:
        return ProgressDisplay(total, "row 2", "step", clock=clock, **{"out": log, **settings})

    return display


def test_each_validation_pass_is_a_line_at_once(make: Make, clock: Clock, log: Stream) -> None:
    """100 steps in 50 s, so 100 more take as long; then 200 in 3,725 s."""
    with make(200) as display:
        steps = StepProgress(display)
        for _ in range(100):
            steps.on_train_batch_end(0, {"loss": 0.25})
        clock.now += 50
        validation = {"mse_valence": 1.0, "ccc_valence": 0.5, "accuracy": 0.25, "score": 0.75}
        steps.validated({"step": 100, "validation": validation})
        line = (
            "row 2: step 100 of 200, loss 0.250, ccc_valence 0.500, accuracy 0.250, score 0.750, "
            "00:50 elapsed, 00:50 left\n"
        )
        assert log.flushed == line
        display.update(100)
        clock.now += 3675
        steps.validated({"step": 200, "validation": {"score": -0.125}})
    assert log.getvalue() == line + "row 2: step 200 of 200, score -0.125, 1:02:05 elapsed\n"


def test_a_resumed_training_estimates_from_its_own_steps(
    make: Make, clock: Clock, log: Stream
) -> None:
    """10 steps in 20 s; 40 are left, although 50 of 100 had been there before."""
    with make(100, initial=50) as display:
        display.update(10)
        clock.now += 20
        display.report("score 1.000")
    assert log.getvalue() == "row 2: step 60 of 100, score 1.000, 00:20 elapsed, 01:20 left\n"


def test_the_step_is_that_of_the_report(make: Make, clock: Clock, log: Stream) -> None:
    with make(100) as display:
        display.update(12)
        clock.now += 10
        display.report("", done=10)
    assert log.getvalue() == "row 2: step 10 of 100, 00:10 elapsed, 01:30 left\n"


def test_long_work_has_a_line_every_half_minute_and_one_at_its_end(
    make: Make, clock: Clock, log: Stream
) -> None:
    with make(80) as display:
        for _ in range(70):
            clock.now += 1
            display.update()
        display.update(10)
    assert log.getvalue().splitlines() == [
        "row 2: step 30 of 80, 00:30 elapsed, 00:50 left",
        "row 2: step 60 of 80, 01:00 elapsed, 00:20 left",
        "row 2: step 80 of 80, 01:10 elapsed",
    ]


def test_an_unknown_total_has_no_time_left(make: Make, clock: Clock, log: Stream) -> None:
    with make(0) as display:
        clock.now += 31
        display.update(9, "loss 2.000")
    assert log.getvalue() == "row 2: step 9, loss 2.000, 00:31 elapsed\n"


@pytest.mark.parametrize("settings,seconds", [({}, 29), ({"show": False}, 3600)])
def test_short_work_and_silence_print_nothing(
    make: Make, clock: Clock, log: Stream, settings: dict[str, Any], seconds: float
) -> None:
    with make(2, **settings) as display:
        clock.now += seconds
        display.update(2)
        if settings:
            display.report("score 1.000")
    assert log.getvalue() == ""


def test_an_error_has_no_line_that_looks_like_an_end(make: Make, clock: Clock, log: Stream) -> None:
    with pytest.raises(OSError), make(9) as display:
        clock.now += 40
        display.update()
        display.update()
        raise OSError
    assert log.getvalue() == "row 2: step 1 of 9, 00:40 elapsed, 05:20 left\n"


def test_a_terminal_has_a_bar_and_no_lines(make: Make) -> None:
    terminal = Terminal()
    with make(4, out=terminal) as display:
        display.update(2, "loss 0.500")
        display.report("score 0.250")
    text = terminal.getvalue()
    assert "\n" not in text and text.count("\r") >= 2
    assert re.search(r"row 2:  50%.* 2/4 \[.*loss 0\.500, score 0\.250", text)
    assert not text.rsplit("\r", 1)[1].strip(), "the bar must go away when the work is done"


@pytest.mark.parametrize("rows,columns,bar", [(40, 140, True), (0, 0, False), (0, 140, False)])
def test_a_terminal_without_a_size_is_a_log(
    make: Make, clock: Clock, rows: int, columns: int, bar: bool
) -> None:
    """As in some containers, where a bar would not be drawn at all."""
    master, slave = os.openpty()
    with open(master, "rb", buffering=0) as screen, open(slave, "w") as terminal:
        termios.tcsetwinsize(slave, (rows, columns))
        with make(1, out=terminal) as display:
            display.report("score 0.250")
        terminal.flush()
        waiting = select.poll()  # unlike select, whatever the number of open files
        waiting.register(screen, select.POLLIN)
        text = screen.read(4096).decode() if waiting.poll(10_000) else ""
    assert ("%|" in text, "elapsed" in text) == (bar, not bar)


def test_standard_error_is_the_one_of_the_moment(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    with ProgressDisplay(1, "x", "y", clock=clock) as display:
        display.update()
        display.report("z 1")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "x: y 1 of 1, z 1, 00:00 elapsed\n")
