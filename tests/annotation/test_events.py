"""Events that no annotation page sends are refused before they reach the log."""

from __future__ import annotations

from typing import Any

import pytest

from kaffect.annotation.events import EventChecker, EventError
from kaffect.labels import AFF_WILD


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "erase"},
        {"kind": "label", "set": [["AU1", 0, 60, "present"]]},
        {"kind": "label", "set": [["AU1", 9, 8, "present"]]},
        {"kind": "label", "set": [["AU1", 0, 1, "Happiness"]]},
        {"kind": "label", "set": [["AU99", 0, 1, "present"]]},
        {"kind": "label", "set": [["AU1", True, 1, "present"]]},
        {"kind": "label", "set": [["AU1", 0, 1, {"a": 1}]]},
        {"kind": "label", "set": []},
        {"kind": "label", "set": [["AU1", 0, 1, "present"]], "video": "../b"},
        {"kind": "label", "set": [["AU1", 0, 1, "present"]], "pass": 0},
        {"kind": "values", "first": 0, "values": [[1, 1]], "dimensions": ["valence"]},
        {"kind": "samples", "take": "t1", "samples": [[float("nan"), 0, 0, 0, 0]]},
        {"kind": "samples", "take": "t1", "samples": [[0, 0, 1e300, 0, 0]]},
        {"kind": "samples", "take": "t1", "samples": [[0, 0, 0, 0, 0]] * 2001},
        {"kind": "take", "take": "t 1", "device": "mouse"},
        {"kind": "comment", "frame": 0, "text": "  "},
        {"kind": "comment", "frame": 0, "text": "\ud800"},
        {"kind": "done", "task": "va", "done": 1},
        {"kind": "undo", "id": "no such id!"},
        "label",
    ],
    ids=lambda event: str(event)[:60],
)
def test_what_no_page_sends_is_refused(event: Any) -> None:
    checker = EventChecker(AFF_WILD, {"a": 60})
    sent = {"id": "s-0", "video": "a", "pass": 1, **event} if isinstance(event, dict) else event
    with pytest.raises(EventError):
        checker.check(sent)
