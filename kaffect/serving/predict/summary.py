"""One page about a video: valence and arousal over time, time per expression, density.

A PNG for a slide, and an HTML page that holds it together with the numbers.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure

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
        rows = "".join(self._row(person) for person in sorted(self.people))
        warning = ""
        if facts.data.get("kind") == "synthetic":
            warning = f"<p class='warning'>The network was {html.escape(SYNTHETIC)}.</p>"
        manifest = self.predictor.export.manifest
        model = f"{facts.title} ({manifest['name']}, version {manifest['version']})"
        picture = base64.b64encode(png).decode("ascii")
        return _PAGE.format(
            title=html.escape(self.title),
            model=html.escape(model),
            frames=self.frames,
            seconds=f"{self.last_time:.1f}",
            without=self.without_face,
            warning=warning,
            picture=picture,
            rows=rows,
            use=html.escape(INTENDED_USE),
        )

    def _row(self, number: int) -> str:
        person = self.people[number]
        colour = "#{:02x}{:02x}{:02x}".format(*colour_of(number))
        cells = [f"<span class='dot' style='background:{colour}'></span>{number}"]
        cells += [str(len(person.times)), f"{person.times[0]:.1f} to {person.times[-1]:.1f} s"]
        if person.valence_arousal:
            values = np.array(person.valence_arousal)
            means, spreads = values.mean(0), values.std(0)
            cells += [f"{m:+.2f} &plusmn; {s:.2f}" for m, s in zip(means, spreads)]
        else:
            cells += ["", ""]
        most = sorted(person.expressions.items(), key=lambda item: -item[1])[:3]
        total = sum(person.expressions.values())
        cells.append(", ".join(f"{html.escape(n)} {100 * k / total:.0f} %" for n, k in most))
        return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"

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


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1150px; margin: 2em auto; padding: 0 1em;
  color: #222; background: #fff }}
h1 {{ font-size: 1.4em; margin-bottom: 0 }}
img {{ max-width: 100%; height: auto }}
table {{ border-collapse: collapse; margin: 1em 0 }}
th, td {{ text-align: left; padding: .3em 1.2em .3em 0; border-bottom: 1px solid #ddd }}
.dot {{ display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .5em }}
.warning {{ background: #fff3cd; padding: .5em 1em }}
.small {{ color: #555; font-size: .9em }}
</style></head><body>
<h1>{title}</h1>
<p>{frames} frames, {seconds} s; {without} without a face. Read by: {model}.</p>
{warning}
<img alt="Valence and arousal over time, time per expression, density" src="data:image/png;base64,{picture}">
<table><tr><th>person</th><th>frames</th><th>seen</th><th>valence (mean, sd)</th>
<th>arousal (mean, sd)</th><th>most frequent expressions</th></tr>{rows}</table>
<p class="small">{use}</p>
</body></html>
"""  # noqa: E501
