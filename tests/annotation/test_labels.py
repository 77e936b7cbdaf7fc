"""Labels from the log: ranges, states, undo and redo, two passes, and traces over each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kaffect.annotation.events import EventChecker
from kaffect.annotation.labels import AnnotatorLabels
from kaffect.annotation.resample import scaled
from kaffect.labels import AFF_WILD

FRAMES = 60


def replay(*events: dict[str, Any]) -> AnnotatorLabels:
    """Events as a page sends them, checked and applied."""
    checker = EventChecker(AFF_WILD, {"a": FRAMES})
    labels = AnnotatorLabels(AFF_WILD, {"a": FRAMES})
    for number, event in enumerate(events):
        checked = checker.check({"id": f"s-{number}", "video": "a", "pass": 1, **event})
        labels.apply([{"n": number + 1, "at": 100.0 + number, **checked}])
    return labels


def put(*ranges: list[Any], number: int = 1) -> dict[str, Any]:
    return {"kind": "label", "set": list(ranges), "pass": number}


UNDO, REDO = {"kind": "undo"}, {"kind": "redo"}


def runs(labels: AnnotatorLabels, row: str, number: int = 1) -> list[Any]:
    return labels.codes.runs(row, labels.arrays("a", number).rows[row])


def test_ranges_lie_over_each_other() -> None:
    labels = replay(
        put(["AU1", 10, 30, "present"]),
        put(["AU1", 20, 24, "cannot tell"], ["AU2", 0, 59, "absent"]),
        put(["AU1", 30, 30, None]),
    )
    assert runs(labels, "AU1") == [
        (10, 19, "present"),
        (20, 24, "cannot tell"),
        (25, 29, "present"),
    ]
    assert runs(labels, "AU2") == [(0, 59, "absent")]
    assert runs(labels, "AU4") == []


def test_expressions_exclude_each_other() -> None:
    labels = replay(put(["expression", 0, 59, "Neutral"]), put(["expression", 20, 29, "Happiness"]))
    assert runs(labels, "expression") == [
        (0, 19, "Neutral"), (20, 29, "Happiness"), (30, 59, "Neutral")
    ]  # fmt: skip


def test_undo_and_redo_without_end() -> None:
    steps = [put(["AU1", n, n, "present"]) for n in range(40)]
    everything = replay(*steps)
    assert runs(replay(*steps, *[UNDO] * 39), "AU1") == [(0, 0, "present")]
    assert runs(replay(*steps, *[UNDO] * 45, *[REDO] * 45), "AU1") == runs(everything, "AU1")
    branched = replay(*steps[:3], UNDO, UNDO, put(["AU1", 50, 50, "present"]), REDO)
    assert runs(branched, "AU1") == [(0, 0, "present"), (50, 50, "present")]


def test_the_second_pass_is_stored_beside_the_first() -> None:
    labels = replay(
        put(["AU1", 0, 9, "present"]),
        {"kind": "pass", "pass": 2},
        put(["AU1", 5, 9, "absent"], number=2),
        {**UNDO, "pass": 2},
        {**UNDO, "pass": 2},
        put(["AU2", 5, 9, "present"], number=2),
        put(["AU1", 0, 59, None]),
    )
    assert runs(labels, "AU1") == []
    assert runs(labels, "AU1", 2) == [(0, 9, "present")], "as the first pass was when it began"
    assert runs(labels, "AU2", 2) == [(5, 9, "present")]
    assert labels.videos["a"].passes[2].began == 101.0
    assert labels.latest_pass("a") == 2
    labels.apply([{"kind": "undo", "video": "a", "pass": 2, "n": 99, "at": 200.0}])
    assert runs(labels, "AU2", 2) == [], "looking at labels does not change where a pass began"


def take(name: str, mode: str = "bounded", dimensions: tuple[str, ...] = ("valence", "arousal")
         ) -> dict[str, Any]:  # fmt: skip
    return {"kind": "take", "take": name, "device": "mouse", "mode": mode, "speed": 1,
            "dimensions": list(dimensions)}  # fmt: skip


def samples(name: str, *rows: tuple[float, float, float]) -> dict[str, Any]:
    listed = [[t, int(t * 30), x, y, 1000.0] for t, x, y in rows]
    return {"kind": "samples", "take": name, "samples": listed}


def test_traces_are_recorded_over_each_other() -> None:
    first = [take("t1"), samples("t1", (0.0, 0.5, -0.5)),
             {"kind": "take-end", "take": "t1", "end": 2.0}]  # fmt: skip
    again = [take("t2", dimensions=("valence",)), samples("t2", (1.0, -1.0, 9.0)),
             {"kind": "take-end", "take": "t2", "end": 1.5}]  # fmt: skip
    va = replay(*first, *again).arrays("a", 1).va
    assert va[:30].tolist() == [[0.5, -0.5]] * 30
    assert va[30:45].tolist() == [[-1.0, -0.5]] * 15, "only valence was recorded again"
    assert va[45:].tolist() == [[0.5, -0.5]] * 15
    undone = replay(*first, *again, UNDO).arrays("a", 1).va
    assert undone.tolist() == [[0.5, -0.5]] * 60
    cut_off = replay(take("t1"), samples("t1", (0.0, 0.5, 0.1), (1.0, 0.5, 0.1)))
    assert np.isfinite(cut_off.arrays("a", 1).va[:, 0]).sum() == 30, "a take without an end"


def test_relative_traces_are_scaled_over_the_video() -> None:
    labels = replay(
        take("t1", "relative"), samples("t1", (0.0, 0.0, 0.2), (1.0, -4.0, 0.2)),
        {"kind": "take-end", "take": "t1", "end": 2.0},
    )  # fmt: skip
    va = labels.arrays("a", 1).va
    assert va[:30, 0].tolist() == [0.0] * 30 and va[30:, 0].tolist() == [-1.0] * 30
    assert va[:, 1].tolist() == pytest.approx([0.2] * 60), "within [-1, 1] nothing is scaled"
    assert scaled(np.array([np.nan, 0.5, -2.0]))[1:].tolist() == [0.25, -1.0]
