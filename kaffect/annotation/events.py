"""What a page may write into a log; anything else is refused before it is stored (Section III-B).

`label`: rows set over frame ranges, one step of undo. `take`, `samples`, `take-end`: a
trace as it was recorded. `undo`, `redo`; `pass`: a pass begins; `done`; `comment`.
Only the program itself writes `values` (imported numbers) and pass 0 (a proposal).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from kaffect.errors import KaffectError
from kaffect.labels import TASKS, VALENCE_AROUSAL, LabelSpace

TRIAL = "@trial"
EXPRESSION, FACE = "expression", "face"
PRESENT, ABSENT, UNSURE, NO_FACE = "present", "absent", "cannot tell", "no face"
DEVICES = ("mouse", "touch", "keys", "gamepad")
MODES = ("bounded", "relative")
MAX_EVENTS = 500  # in one message
MAX_SAMPLES = 2000  # in one event
MAX_RANGES = 2000  # in one event
MAX_COMMENT = 2000  # letters
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BOUND = 1e6


class EventError(KaffectError):
    """An event that is not accepted; the message says why and may be shown to its sender."""


def accepted_values(space: LabelSpace) -> dict[str, tuple[str | None, ...]]:
    """Row -> what it may be set to; None clears."""
    units = {unit: (None, PRESENT, ABSENT, UNSURE) for unit in space.action_units}
    return {**units, EXPRESSION: (None, *space.expressions, UNSURE), FACE: (None, NO_FACE)}


class EventChecker:
    """Checks events of one project.

    Args:
        frames: video -> frames of its copy; the trial may be among them.
    """

    def __init__(self, space: LabelSpace, frames: Mapping[str, int]) -> None:
        self._values = accepted_values(space)
        self._frames = frames
        self._checks: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "label": self._label,
            "take": self._take,
            "samples": self._samples,
            "take-end": self._take_end,
            "undo": lambda event: {},
            "redo": lambda event: {},
            "pass": lambda event: {},
            "done": self._done,
            "comment": self._comment,
        }

    def check(self, event: object) -> dict[str, Any]:
        """The event with its known fields only.

        Raises:
            EventError: it is not accepted.
        """
        if not isinstance(event, dict):
            raise EventError("An event is an object")
        kind, video = event.get("kind"), event.get("video")
        if not isinstance(kind, str) or kind not in self._checks:
            raise EventError("Unknown kind of event")
        if not isinstance(video, str) or video not in self._frames:
            raise EventError("Unknown video")
        ident = event.get("id")
        if not isinstance(ident, str) or not _ID.fullmatch(ident):
            raise EventError("An event has an id of letters and digits")
        number = _whole(event.get("pass", 1), "pass", 1, 2)
        head = {"kind": kind, "id": ident, "video": video, "pass": number}
        return {**head, **self._checks[kind](event)}

    def _label(self, event: dict[str, Any]) -> dict[str, Any]:
        rows = event.get("set")
        if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_RANGES:
            raise EventError(f"'set' lists 1 to {MAX_RANGES} ranges")
        return {"set": [self._range(event["video"], row) for row in rows]}

    def _range(self, video: str, entry: object) -> list[Any]:
        if not isinstance(entry, list) or len(entry) != 4:
            raise EventError("A range is [row, first frame, last frame, value]")
        row, first, last, value = entry
        if not isinstance(row, str) or row not in self._values:
            raise EventError("Unknown row")
        if not (value is None or isinstance(value, str)) or value not in self._values[row]:
            raise EventError(f"{row} cannot be set to that")
        end = self._frames[video] - 1
        first = _whole(first, "first frame", 0, end)
        return [row, first, _whole(last, "last frame", first, end), value]

    def _take(self, event: dict[str, Any]) -> dict[str, Any]:
        dimensions = event.get("dimensions")
        if not isinstance(dimensions, list) or not dimensions:
            raise EventError("'dimensions' lists valence, arousal or both")
        if any(name not in VALENCE_AROUSAL for name in dimensions):
            raise EventError("'dimensions' lists valence, arousal or both")
        return {
            "take": _ident(event.get("take")),
            "dimensions": [name for name in VALENCE_AROUSAL if name in dimensions],
            "device": _one_of(event.get("device"), "device", DEVICES),
            "mode": _one_of(event.get("mode"), "mode", MODES),
            "speed": _real(event.get("speed"), "speed", 0.1, 4),
            "dead_zone": _real(event.get("dead_zone", 0), "dead_zone", 0, 1),
            "centre": [_real(v, "centre", -1, 1) for v in _pair(event.get("centre", [0, 0]))],
        }

    def _samples(self, event: dict[str, Any]) -> dict[str, Any]:
        samples = event.get("samples")
        if not isinstance(samples, list) or not 1 <= len(samples) <= MAX_SAMPLES:
            raise EventError(f"'samples' lists 1 to {MAX_SAMPLES} samples")
        end = self._frames[event["video"]]
        checked = []
        for sample in samples:
            if not isinstance(sample, list) or len(sample) != 5:
                raise EventError("A sample is [media time, frame, x, y, wall time]")
            media, frame, x, y, wall = sample
            checked.append([
                _real(media, "media time", 0, 1e6), _whole(frame, "frame", 0, end - 1),
                _real(x, "x", -_BOUND, _BOUND), _real(y, "y", -_BOUND, _BOUND),
                _real(wall, "wall time", 0, 1e15),
            ])  # fmt: skip
        return {"take": _ident(event.get("take")), "samples": checked}

    def _take_end(self, event: dict[str, Any]) -> dict[str, Any]:
        return {"take": _ident(event.get("take")), "end": _real(event.get("end"), "end", 0, 1e6)}

    def _done(self, event: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(event.get("done"), bool):
            raise EventError("'done' is true or false")
        return {"task": _one_of(event.get("task"), "task", TASKS), "done": event["done"]}

    def _comment(self, event: dict[str, Any]) -> dict[str, Any]:
        text = event.get("text")
        if not isinstance(text, str) or not 1 <= len(text.strip()) <= MAX_COMMENT:
            raise EventError(f"A comment has 1 to {MAX_COMMENT} letters")
        if any(0xD800 <= ord(letter) < 0xE000 for letter in text):
            raise EventError("A comment is text")
        frame = _whole(event.get("frame"), "frame", 0, self._frames[event["video"]] - 1)
        return {"frame": frame, "text": text.strip()}


def _ident(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise EventError("A take has an id of letters and digits")
    return value


def _one_of(value: object, name: str, accepted: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in accepted:
        raise EventError(f"'{name}' is one of {', '.join(accepted)}")
    return value


def _pair(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:
        raise EventError("Expected two numbers")
    return value


def _whole(value: object, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise EventError(f"'{name}' is a whole number from {low} to {high}")
    return value


def _real(value: object, name: str, low: float, high: float) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:  # type: ignore
        raise EventError(f"'{name}' is a number from {low:g} to {high:g}")
    return value  # type: ignore[return-value]
