"""One page about a video: valence and arousal over time, time per expression, density.

A PNG for a slide, and an HTML page that holds it together with the numbers.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kaffect.pages import render
from kaffect.serving.facts import INTENDED_USE, SYNTHETIC
from kaffect.serving.predict.drawing import AROUSAL, VALENCE, colour_of
from kaffect.serving.predictor import Predictor

# People with plots of their own; the table has all of them.
_PLOTTED = 4
_GAP = 0.5  # seconds without a face that break a line


@dataclass
class PersonSummary:
    """What was said of one person, frame by frame."""

    times: list[float] = field(default_factory=list)
    valence_arousal: list[tuple[float, float]] = field(default_factory=list)
    expressions: dict[str, int] = field(default_factory=dict)


class Summary:
    """Collects rows, then draws them.

    Args:
        predictor: whose answers; title: of the page.
    """

    def __init__(self, predictor: Predictor, title: str) -> None:
        self.predictor, self.title = predictor, title
        self.people: dict[int, PersonSummary] = {}
        self.frames = self.without_face = 0
        self.last_time = 0.0
        self._last_frame = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row, as `tables.rows` gives them."""
        self.last_time = max(self.last_time, row["time"])
        self.frames += row["frame"] != self._last_frame
        self._last_frame = row["frame"]
        if not row["face"]:
            self.without_face += 1
            return
        person = self.people.setdefault(row["person"], PersonSummary())
        person.times.append(row["time"])
        if "valence" in row:
            person.valence_arousal.append((row["valence"], row["arousal"]))
        if "expression" in row:
            name = row["expression"]
            person.expressions[name] = person.expressions.get(name, 0) + 1

    def png(self) -> bytes:
        """The picture."""
        shown = sorted(self.people, key=lambda p: -len(self.people[p].times))[:_PLOTTED]
        count = max(1, len(shown))
        figure = Figure(figsize=(12, 1.2 + 3.1 * count), layout="constrained")
        figure.suptitle(self.title, fontsize=13)
        grid = figure.subplots(count, 3, width_ratios=(2.4, 1.2, 1), squeeze=False)
        for axes, person in zip(grid, sorted(shown)):
            self._time(axes[0], person)
            self._expressions(axes[1], person)
            self._density(axes[2], person)
        if not shown:
            for axis in grid[0]:
                axis.set_axis_off()
            grid[0][0].text(0.5, 0.5, "no face in this video", ha="center", va="center")
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=110)
        return out.getvalue()

    def html(self, png: bytes) -> str:
        """A page of its own: no other file, no network."""
        facts = self.predictor.facts
        manifest = self.predictor.export.manifest
        return render(
            "video",
            title=self.title,
            model=f"{facts.title} ({manifest['name']}, version {manifest['version']})",
            frames=self.frames,
            seconds=f"{self.last_time:.1f}",
            without_face=self.without_face,
            warning=SYNTHETIC if facts.data.get("kind") == "synthetic" else "",
            picture=png,
            people=[self._figures(person) for person in sorted(self.people)],
            use=INTENDED_USE,
        )

    def _figures(self, number: int) -> dict[str, Any]:
        """A person's line of the table."""
        person = self.people[number]
        values = ["", ""]
        if person.valence_arousal:
            points = np.array(person.valence_arousal)
            values = [f"{m:+.2f} ± {s:.2f}" for m, s in zip(points.mean(0), points.std(0))]
        most = sorted(person.expressions.items(), key=lambda item: -item[1])[:3]
        total = sum(person.expressions.values())
        return {
            "number": number,
            "colour": "#{:02x}{:02x}{:02x}".format(*colour_of(number)),
            "frames": len(person.times),
            "seen": f"{person.times[0]:.1f} to {person.times[-1]:.1f} s",
            "valence_arousal": values,
            "expressions": ", ".join(f"{name} {100 * k / total:.0f} %" for name, k in most),
        }

    def _time(self, axis: Any, number: int) -> None:
        person = self.people[number]
        axis.set_title(f"person {number}", loc="left", fontsize=10, fontweight="bold")
        axis.set(xlim=(0, max(self.last_time, 0.1)), ylim=(-1.05, 1.05), xlabel="time in seconds")
        axis.axhline(0, color="0.8", linewidth=0.8)
        if not person.valence_arousal:
            axis.set_axis_off()
            return
        times = np.array(person.times)
        values = np.array(person.valence_arousal)
        breaks = np.flatnonzero(np.diff(times) > _GAP) + 1
        for column, (name, colour) in enumerate((("valence", VALENCE), ("arousal", AROUSAL))):
            for i, part in enumerate(np.split(np.arange(len(times)), breaks)):
                shade = [c / 255 for c in colour]
                label = name if i == 0 else None
                axis.plot(times[part], values[part, column], color=shade, lw=1.3, label=label)
        axis.legend(loc="upper right", fontsize=8, frameon=False, ncols=2)

    def _expressions(self, axis: Any, number: int) -> None:
        person = self.people[number]
        names = self.predictor.facts.label_space.expressions
        if not person.expressions:
            axis.set_axis_off()
            return
        seconds = self.last_time / max(self.frames - 1, 1)
        lengths = [person.expressions.get(name, 0) * seconds for name in names]
        colour = [c / 255 for c in colour_of(number)]
        axis.barh(range(len(names)), lengths, color=colour)
        axis.set_yticks(range(len(names)), names, fontsize=8)
        axis.invert_yaxis()
        axis.set_xlabel("seconds")
        axis.set_title("time per expression", fontsize=10)

    def _density(self, axis: Any, number: int) -> None:
        person = self.people[number]
        if not person.valence_arousal:
            axis.set_axis_off()
            return
        values = np.clip(np.array(person.valence_arousal), -1, 1)
        edges = np.linspace(-1, 1, 25)
        counts, _, _ = np.histogram2d(values[:, 1], values[:, 0], bins=(edges, edges))
        shown = np.ma.masked_equal(counts, 0)
        axis.pcolormesh(edges, edges, shown, cmap="viridis")
        axis.axhline(0, color="0.7", lw=0.8)
        axis.axvline(0, color="0.7", lw=0.8)
        axis.set(xlim=(-1, 1), ylim=(-1, 1), xlabel="valence", ylabel="arousal", aspect="equal")
        axis.set_title("density", fontsize=10)
