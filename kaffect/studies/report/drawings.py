"""Pictures of a table's rows for the page of results (Section V): curves, matrices, density.

PNG files as bytes; the same results give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kaffect.curation.figures import png

_QUIET, _BLUE, _ORANGE, _GREEN = "#5b6470", "#0072b2", "#d55e00", "#009e73"
_DOTS = 100
# More videos than these have no room below one another.
MOST_VIDEOS = 60


def _new(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_QUIET, labelsize=8)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def curves(records: Sequence[Mapping[str, Any]]) -> bytes | None:
    """Training loss and validation score of every row and seed by update; None without history.

    Rows have one colour each; a dot is the chosen checkpoint. Of GANs it is the discriminator's
    loss.
    """
    trained = [record for record in records if record.get("history")]
    rows = sorted({record["row"] for record in trained})
    if not rows:
        return None
    gans = all("discriminator_loss" in record["history"][0]["train"] for record in trained)
    kind = "discriminator_loss" if gans else "loss"
    figure = _new(9.6, 3.6)
    loss, score = figure.subplots(1, 2)
    colours = colormaps["turbo"](np.linspace(0.05, 0.95, len(rows)))
    for record in trained:
        history = record["history"]
        steps = [entry["step"] for entry in history]
        own = dict(color=colours[rows.index(record["row"])], lw=1)
        for axes, part, key in ((loss, "train", kind), (score, "validation", "score")):
            values = [entry[part].get(key) for entry in history]
            if values and None not in values:
                axes.plot(steps, values, marker=".", ms=3, **own)
        best = [e["validation"]["score"] for e in history if e["step"] == record.get("best_step")]
        score.plot([record["best_step"]] * len(best), best, "o", ms=4, color=own["color"])
    losses = "loss of the discriminator" if gans else "training loss"
    for axes, name in ((loss, losses), (score, "validation score")):
        _plain(axes)
        axes.set_xlabel("update", fontsize=9)
        axes.set_ylabel(name, fontsize=9)
    for row, colour in zip(rows, colours):
        score.plot([], [], color=colour, label=f"row {row}")
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return png(figure, _DOTS)


def confusion(detail: Mapping[str, Any]) -> bytes:
    """The confusion matrix of expressions: shares of each label's frames, and their number."""
    matrix, names = np.array(detail["matrix"]), detail["classes"]
    totals = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    size = 2.0 + 0.45 * len(names)
    figure = _new(size + 0.6, size)
    axes = figure.add_subplot()
    image = axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=45, ha="right")
    labels = [f"{name} ({total:,})" for name, total in zip(names, totals[:, 0])]
    axes.set_yticks(range(len(names)), labels, fontsize=8)
    for row, column in np.ndindex(share.shape):
        text = f"{share[row, column]:.2f}" if totals[row] else "-"
        colour = "white" if share[row, column] > 0.6 else "#1c1f23"
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_xlabel("answer", fontsize=9)
    axes.set_ylabel("label (frames)", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    return png(figure, _DOTS)


def scores_by_class(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall and F1 of each class from the confusion matrix; 0 where undefined.

    Args:
        matrix: [classes, classes] frames; row: label, column: answer.
    """
    right, labels, answers = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    pairs = {"precision": answers, "recall": labels, "F1": (labels + answers) / 2}
    return {
        name: np.divide(right, total, out=np.zeros(len(matrix)), where=total > 0)
        for name, total in pairs.items()
    }


def class_scores(detail: Mapping[str, Any]) -> bytes:
    """Precision, recall and F1 of each expression, with the number of frames that have it."""
    matrix, names = np.array(detail["matrix"]), detail["classes"]
    figure = _new(1.6 + 0.95 * len(names), 3.6)
    axes = figure.add_subplot()
    _plain(axes)
    axes.grid(False, axis="x")
    for place, (name, values) in enumerate(scores_by_class(matrix).items()):
        places = np.arange(len(names)) + 0.28 * (place - 1)
        drawn = axes.bar(places, values, 0.26, color=(_ORANGE, _GREEN, _BLUE)[place], label=name)
        axes.bar_label(drawn, [f"{value:.2f}"[1:] for value in values], fontsize=7, padding=1)
    labels = [f"{name}\n{frames:,}" for name, frames in zip(names, matrix.sum(axis=1))]
    axes.set_xticks(range(len(names)), labels, fontsize=8)
    axes.set_xlabel("label, frames that have it", fontsize=9)
    axes.set_ylim(0, 1.05)
    figure.legend(loc="outside upper right", ncols=3, fontsize=8, frameon=False)
    return png(figure, _DOTS)


def calibration(detail: Mapping[str, Any]) -> bytes:
    """Accuracy by confidence, as trained and after temperature scaling, above the counts."""
    figure = _new(8.2, 3.6)
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("as trained", "after temperature scaling")
    for axes, part, error, title in zip(panels, ("before", "after"), ("ece", "ece_scaled"), titles):
        own = {name: np.array(values) for name, values in detail[part].items()}
        edges = np.arange(len(own["count"]) + 1) / len(own["count"])
        _plain(axes)
        axes.bar(edges[:-1], own["accuracy"], edges[1], align="edge", color=_BLUE, ec="white")
        share = own["count"] / max(own["count"].sum(), 1)
        axes.bar(edges[:-1], share, edges[1], align="edge", fill=False, ec=_ORANGE, lw=1.2)
        axes.plot([0, 1], [0, 1], color=_QUIET, lw=0.8)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.set_title(f"{title}: error {detail[error]:.3f}", fontsize=9)
        axes.set_xlabel("confidence", fontsize=9)
    panels[0].set_ylabel("accuracy; outlined: share of frames", fontsize=9)
    return png(figure, _DOTS)


def unit_bars(detail: Mapping[str, Any]) -> bytes:
    """F1 of each Action Unit, with the number of frames that have it."""
    names, values = detail["units"], detail["f1"]
    figure = _new(max(4.8, 1.2 + 0.6 * len(names)), 3.4)
    axes = figure.add_subplot()
    _plain(axes)
    axes.grid(False, axis="x")
    drawn = axes.bar(range(len(names)), values, color=_BLUE, width=0.7)
    axes.bar_label(drawn, [f"{value:.2f}" for value in values], fontsize=8, padding=2)
    labels = [f"{name}\n{frames:,}" for name, frames in zip(names, detail["frames"])]
    axes.set_xticks(range(len(names)), labels, fontsize=8)
    axes.set_xlabel("Action Unit, frames that have it", fontsize=9)
    axes.set_ylabel("F1", fontsize=9)
    axes.set_ylim(0, 1)
    return png(figure, _DOTS)


def density(planes: Mapping[str, Sequence[Sequence[int]]]) -> bytes:
    """Frames by valence and arousal, one panel for each of `planes`, all with one scale."""
    figure = _new(0.9 + 3.4 * len(planes), 3.5)
    panels = np.atleast_1d(figure.subplots(1, len(planes), sharey=True))
    counts = {name: np.array(values) for name, values in planes.items()}
    most = max(int(values.max()) for values in counts.values())
    for axes, (name, values) in zip(panels, counts.items()):
        shown = np.ma.masked_equal(values.T, 0)
        image = axes.imshow(
            shown, origin="lower", extent=(-1, 1, -1, 1), cmap="viridis", vmin=0, vmax=max(most, 1)
        )
        axes.axhline(0, color=_QUIET, linewidth=0.6)
        axes.axvline(0, color=_QUIET, linewidth=0.6)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("valence", fontsize=9)
        axes.tick_params(colors=_QUIET, labelsize=8)
    panels[0].set_ylabel("arousal", fontsize=9)
    bar = figure.colorbar(image, ax=list(panels), shrink=0.85)
    bar.set_label("frames", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return png(figure, _DOTS)


def videos(found: Sequence[Mapping[str, Any]]) -> bytes:
    """CCC of valence and arousal of each video (the first `MOST_VIDEOS`)."""
    shown = list(found[:MOST_VIDEOS])[::-1]
    figure = _new(6.4, max(2.2, 1.2 + 0.2 * len(shown)))
    axes = figure.add_subplot()
    _plain(axes)
    places = range(len(shown))
    for column, (name, mark, colour) in enumerate(
        (("valence", "o", _BLUE), ("arousal", "D", _ORANGE))
    ):
        values = [video["ccc"][column] for video in shown]
        axes.plot(values, places, mark, ms=5, color=colour, label=name)
    names = [f"{video['video']} ({video['frames']:,})" for video in shown]
    axes.set_yticks(places, names, fontsize=7)
    axes.axvline(0, color=_QUIET, lw=0.8)
    axes.set_xlim(-1, 1)
    axes.set_xlabel("CCC", fontsize=9)
    axes.set_ylabel("video (labelled frames)", fontsize=9)
    figure.legend(loc="outside upper right", ncols=2, fontsize=8, frameon=False)
    return png(figure, _DOTS)
