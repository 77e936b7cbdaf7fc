"""One annotator at work: project, log, and the labels made from it (paper Section III-B, III-C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kaffect.annotation.copies import Copy, open_copy
from kaffect.annotation.events import TRIAL, EventChecker
from kaffect.annotation.labels import UNSET, AnnotatorLabels, Pass
from kaffect.annotation.log import LogWriter
from kaffect.annotation.project import Project
from kaffect.annotation.trial import SECONDS, latest_result, target
from kaffect.data.video.resample import FPS
from kaffect.labels import ACTION_UNIT_NAMES


class Session:
    """What the page of one annotator asks and says.

    Args:
        tasks: those that the page offers.
    """

    def __init__(
        self, project: Project, log: LogWriter, annotator: str, tasks: tuple[str, ...]
    ) -> None:
        self.project, self.annotator, self.tasks = project, annotator, tasks
        self.log = log
        self.copies: dict[str, Copy] = {name: open_copy(project, name) for name in project.videos}
        frames = {name: copy.frames for name, copy in self.copies.items()}
        self.checker = EventChecker(project.space, {**frames, TRIAL: SECONDS * FPS})
        self.labels = AnnotatorLabels(project.space, frames)
        self.labels.apply(log.text.events)

    def check(self, events: Sequence[object]) -> list[dict[str, Any]]:
        """The events as they may be stored; none is if one is wrong.

        Raises:
            EventError: one is not accepted.
        """
        return [self.checker.check(event) for event in events]

    def write(self, events: Sequence[object]) -> int:
        """Check, store and apply events; give how many were new.

        Raises:
            EventError: one is not accepted; nothing was stored.
            ArtifactError: the disk is full.
        """
        stored = self.log.append(self.check(events))
        self.labels.apply(stored)
        return len(stored)

    def overview(self) -> dict[str, Any]:
        """The project as the page shows it: queue, progress, rows, notes."""
        space = self.project.space
        order = self.project.order(self.annotator)
        return {
            "project": self.project.id,
            "annotator": self.annotator,
            "tasks": list(self.tasks),
            "fps": FPS,
            "units": [[unit, ACTION_UNIT_NAMES.get(unit, "")] for unit in space.action_units],
            "expressions": list(space.expressions),
            "queue": [self._progress(place) for place in order],
            "damaged": list(self.log.text.damaged),
            "trial": self.trial_result(),
        }

    def _progress(self, place: int) -> dict[str, Any]:
        name = self.project.videos[place]
        here, number = self.labels.videos[name], self.labels.latest_pass(name)
        done = [t for t in self.tasks if (number, t) in here.done]
        return {
            "video": place,
            "name": name,
            "frames": self.copies[name].frames,
            "pass": number,
            "started": bool(here.passes.keys() - {0}),
            "done": done,
            "comments": len(here.comments),
        }

    def trial_result(self) -> dict[str, Any] | None:
        """The last complete trial, or None."""
        result = latest_result(self.project.seed, self.labels.trials)
        return None if result is None else result.to_dict()

    def trial_target(self) -> list[list[float]]:
        return target(self.project.seed).round(4).tolist()

    def video(self, place: int) -> dict[str, Any]:
        """One video with the history of its passes; the page replays it as `labels.py` does."""
        name = self.project.videos[place]
        copy, here = self.copies[name], self.labels.videos[name]
        return {
            "video": place,
            "name": name,
            "frames": copy.frames,
            "width": copy.width,
            "height": copy.height,
            "pass": self.labels.latest_pass(name),
            "passes": {str(n): self._history(one) for n, one in sorted(here.passes.items())},
            "done": [[number, task] for number, task in sorted(here.done)],
            "comments": here.comments,
        }

    def _history(self, one: Pass) -> dict[str, Any]:
        base = {}
        if one.base is not None:
            codes = self.labels.codes
            rows = one.base.rows.items()
            base = {row: codes.runs(row, v) for row, v in rows if (v != UNSET).any()}
        return {
            "base": base,
            "began": one.began,
            "steps": [_short(step) for step in one.steps],
            "undone": [_short(step) for step in one.undone],
        }

    def runs(self, place: int, number: int) -> dict[str, Any]:
        """Row -> labelled runs, as the log says; what the page shows must equal it."""
        arrays = self.labels.arrays(self.project.videos[place], number)
        codes = self.labels.codes
        return {row: runs for row, v in arrays.rows.items() if (runs := codes.runs(row, v))}

    def valence_arousal(self, place: int, number: int) -> bytes:
        """[frames, 2] float32, little-endian; NaN where nothing is said."""
        va = self.labels.arrays(self.project.videos[place], number).va
        return va.astype("<f4").tobytes()


def _short(step: dict[str, Any]) -> dict[str, Any]:
    return {"kind": step["kind"], **({"set": step["set"]} if step["kind"] == "label" else {})}
