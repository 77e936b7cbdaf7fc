"""Labels of one annotator, made from the log by replaying it (paper Section III-B, III-C).

Each pass over a video has its own history of steps (labels set, takes recorded, values
imported); undo and redo move along it without end. The second pass begins with the
labels of the first and is stored beside it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kaffect.annotation.events import ABSENT, EXPRESSION, FACE, NO_FACE, PRESENT, TRIAL, UNSURE
from kaffect.annotation.resample import resample, scaled
from kaffect.labels import VALENCE_AROUSAL, LabelSpace

UNSET = -1
_STEPS = ("label", "take", "values")
Runs = list[tuple[int, int, str]]


@dataclass
class Take:
    """One recording of a trace: as much of the raw samples as has arrived."""

    dimensions: tuple[str, ...]
    device: str
    mode: str
    samples: list[list[float]] = field(default_factory=list)
    end: float = 0.0

    def per_frame(self, frames: int) -> tuple[int, np.ndarray]:
        """(first frame, [covered frames, 2] valence and arousal)."""
        raw = np.asarray(self.samples, np.float64).reshape(-1, 5)
        return resample(raw[:, 0], raw[:, 2:4], self.end, frames)


class Arrays:
    """The labels of every frame of a video.

    Attributes:
        rows: row name -> [frames] int8, codes of `Codes`, -1 where nothing is said.
        va: [frames, 2] float64, NaN where nothing is said.
    """

    def __init__(self, names: Iterable[str], frames: int) -> None:
        self.rows = {name: np.full(frames, UNSET, np.int8) for name in names}
        self.va = np.full((frames, 2), np.nan)

    def copy(self) -> Arrays:
        other = Arrays((), 0)
        other.rows = {name: values.copy() for name, values in self.rows.items()}
        other.va = self.va.copy()
        return other


class Codes:
    """The words of the log as numbers and back.

    A unit is 0 absent, 1 present, 2 cannot tell; an expression its class number, or one more
    than the last for cannot tell; `face` is 0 for no face.
    """

    def __init__(self, space: LabelSpace) -> None:
        self.space = space
        self.words: dict[str, tuple[str, ...]] = {
            **{unit: (ABSENT, PRESENT, UNSURE) for unit in space.action_units},
            EXPRESSION: (*space.expressions, UNSURE),
            FACE: (NO_FACE,),
        }

    def code(self, row: str, word: str | None) -> int:
        return UNSET if word is None else self.words[row].index(word)

    def runs(self, row: str, values: np.ndarray) -> Runs:
        """[(first, last, word)] of the labelled frames."""
        edges = np.flatnonzero(np.diff(values)) + 1
        firsts = np.concatenate([[0], edges]).astype(int).tolist() if len(values) else []
        lasts = [*(first - 1 for first in firsts[1:]), len(values) - 1]
        words = self.words[row]
        return [
            (first, last, words[values[first]])
            for first, last in zip(firsts, lasts)
            if values[first] != UNSET
        ]


@dataclass
class Pass:
    """One pass over one video.

    Attributes:
        base: labels with which it began, or None for none.
        steps: events of kind label, take or values that count; undone: those taken back.
        began: seconds since 1970 of its first event.
    """

    base: Arrays | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    undone: list[dict[str, Any]] = field(default_factory=list)
    began: float = 0.0


@dataclass
class VideoLabels:
    """All that one annotator has said about one video."""

    passes: dict[int, Pass] = field(default_factory=dict)
    done: dict[tuple[int, str], float] = field(default_factory=dict)
    comments: list[dict[str, Any]] = field(default_factory=list)


class AnnotatorLabels:
    """Replays the events of one log.

    Args:
        frames: video -> frames of its copy.
    """

    def __init__(self, space: LabelSpace, frames: Mapping[str, int]) -> None:
        self.codes = Codes(space)
        self._frames = dict(frames)
        self.videos: dict[str, VideoLabels] = defaultdict(VideoLabels)
        self.takes: dict[tuple[str, str], Take] = {}
        self.trials: list[tuple[float, Take]] = []

    def apply(self, events: Iterable[dict[str, Any]]) -> None:
        """Take in events in the order of the log; those of unknown videos are left out."""
        for event in events:
            if event.get("video") in self._frames or event.get("video") == TRIAL:
                self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        kind, video = event["kind"], event["video"]
        if kind == "take":
            take = Take(tuple(event["dimensions"]), event["device"], event["mode"])
            self.takes[video, event["take"]] = take
            if video == TRIAL:
                self.trials.append((event["at"], take))
        elif kind in ("samples", "take-end"):
            self._continue_take(event)
        if video == TRIAL:
            return
        here = self.videos[video]
        if kind == "comment":
            here.comments.append({key: event[key] for key in ("frame", "text", "at")})
        elif kind == "done":
            key = (event["pass"], event["task"])
            if event["done"]:
                here.done[key] = event["at"]
            else:
                here.done.pop(key, None)
        elif kind == "pass" and event["pass"] not in here.passes:
            base = self.arrays(video, 1) if event["pass"] == 2 else None
            here.passes[event["pass"]] = Pass(base, began=event["at"])
        elif kind in (*_STEPS, "undo", "redo"):
            self._step(here, event)

    def _continue_take(self, event: dict[str, Any]) -> None:
        take = self.takes.get((event["video"], event["take"]))
        if take is None:
            return  # its first line is damaged
        if event["kind"] == "samples":
            take.samples += event["samples"]
            take.end = max(take.end, event["samples"][-1][0])
        else:
            take.end = max(take.end, event["end"])

    def _step(self, here: VideoLabels, event: dict[str, Any]) -> None:
        one = here.passes.setdefault(event["pass"], Pass(began=event["at"]))
        if event["kind"] == "undo":
            if one.steps:
                one.undone.append(one.steps.pop())
        elif event["kind"] == "redo":
            if one.undone:
                one.steps.append(one.undone.pop())
        else:
            one.steps.append(event)
            one.undone.clear()

    def arrays(self, video: str, number: int) -> Arrays:
        """The labels after one pass (0: a proposal, 1 or 2)."""
        frames = self._frames[video]
        one = self.videos[video].passes.get(number)
        found = Arrays(self.codes.words, frames)
        if one is None:
            return found
        if one.base is not None:
            found = one.base.copy()
        relative = np.full((frames, 2), np.nan)
        for step in one.steps:
            if step["kind"] == "label":
                for row, first, last, word in step["set"]:
                    found.rows[row][first : last + 1] = self.codes.code(row, word)
            elif step["kind"] == "values":
                _put_values(found.va, relative, step)
            else:
                self._put_take(found.va, relative, video, step)
        for column in range(2):
            there = ~np.isnan(relative[:, column])
            found.va[there, column] = scaled(relative[:, column])[there]
        found.va = np.clip(found.va, -1, 1)
        return found

    def _put_take(
        self, va: np.ndarray, relative: np.ndarray, video: str, step: dict[str, Any]
    ) -> None:
        take = self.takes[video, step["take"]]
        first, values = take.per_frame(len(va))
        where = slice(first, first + len(values))
        into, other = (relative, va) if take.mode == "relative" else (va, relative)
        for column, name in enumerate(VALENCE_AROUSAL):
            if name in take.dimensions:
                into[where, column] = values[:, column]
                other[where, column] = np.nan

    def latest_pass(self, video: str) -> int:
        """2 where a second pass has begun, else 1."""
        return 2 if 2 in self.videos[video].passes else 1


def _put_values(va: np.ndarray, relative: np.ndarray, step: dict[str, Any]) -> None:
    values = np.array([[np.nan if v is None else v for v in row] for row in step["values"]])
    where = slice(step["first"], step["first"] + len(values))
    for column, name in enumerate(VALENCE_AROUSAL):
        if name in step["dimensions"]:
            va[where, column], relative[where, column] = values[:, column], np.nan
