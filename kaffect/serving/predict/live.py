"""Answers while they come (`--live`): in a window, or without a screen in the terminal."""

from __future__ import annotations

import os
import sys
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from kaffect.serving.predict.drawing import Overlay
from kaffect.serving.predict.people import FrameAnswer
from kaffect.serving.predictor import Predictor

_TITLE = "kaffect (q ends)"
_BAR = 20


class Stopped(Exception):
    """The user closed the live view."""


class Window:
    """A window of OpenCV's; the key q ends it."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def show(self, answer: FrameAnswer) -> None:
        """Show one frame."""
        cv2.imshow(_TITLE, cv2.cvtColor(self._overlay.draw(answer), cv2.COLOR_RGB2BGR))
        if cv2.waitKey(1) & 0xFF == ord("q"):
            raise Stopped

    def close(self) -> None:
        cv2.destroyAllWindows()


class Terminal:
    """One line of bars for each person; Ctrl-C ends it."""

    def __init__(self, predictor: Predictor, console: Console | None = None) -> None:
        self._predictor = predictor
        self._live = Live(console=console, refresh_per_second=10, transient=True)
        self._live.start()

    def show(self, answer: FrameAnswer) -> None:
        """Show one frame."""
        self._live.update(people_table(self._predictor, answer))

    def close(self) -> None:
        self._live.stop()


def people_table(predictor: Predictor, answer: FrameAnswer) -> Table:
    """The faces of one frame as a table."""
    table = Table(title=f"{answer.frame.time:.1f} s", title_justify="left")
    for column in ("person", "valence", "arousal", "expression", "action units"):
        table.add_column(column)
    for found in answer.faces:
        named = predictor.named(found.outputs)
        cells = [str(found.face.person)]
        for name in ("valence", "arousal"):
            cells.append(_bar(float(named[name])) if name in named else "")
        expression = str(named.get("expression", ""))
        if expression:
            expression += f" {100 * float(named[expression]):.0f} %"
        units = [n for n, v in named.items() if n.startswith("AU") and float(v) >= 0.5]
        table.add_row(*cells, expression, " ".join(units))
    if not answer.faces:
        table.add_row("no face", "", "", "", "")
    return table


def _bar(value: float) -> str:
    """-1 ... 1 on a line with its middle marked."""
    place = round((float(np.clip(value, -1, 1)) + 1) / 2 * _BAR)
    line = ["·"] * (_BAR + 1)
    line[_BAR // 2] = "|"
    line[place] = "●"
    return f"{''.join(line)} {value:+.2f}"


def has_screen() -> bool:
    """Whether a window can be opened here."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def live_view(predictor: Predictor, size: tuple[int, int]) -> Any:
    """A window where there is a screen and OpenCV has windows, else the terminal."""
    if has_screen():
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
            return Window(Overlay(predictor, size))
        except cv2.error:
            pass
    return Terminal(predictor)
