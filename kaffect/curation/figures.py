"""Pictures of a data set (paper Figures 1 to 4, Table II), drawn with Matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from kaffect.curation.samples import Sample
from kaffect.curation.statistics import BINS, Statistics
from kaffect.files import write_bytes
from kaffect.labels import ACTION_UNIT_NAMES

_INK, _QUIET, _BLUE, _ORANGE = "#1c1f23", "#5b6470", "#0072b2", "#b84a00"
_PICTURE = 0.238  # side of a face in Figure 1, in units of valence
_TASKS = {"au": "Action Units", "expression": "the basic expressions", "va": "valence/arousal"}


def png(figure: Figure, dots: int = 110) -> bytes:
    """The figure as bytes of a PNG file."""
    FigureCanvasAgg(figure)
    out = io.BytesIO()
    # Without a date and version in it: the same figure gives the same bytes.
    figure.savefig(out, format="png", dpi=dots, metadata={"Software": None})
    return out.getvalue()


def write_figure(path: str | Path, figure: Figure) -> None:
    write_bytes(path, png(figure))


def _new(width: float, height: float, title: str) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=11, color=_INK)
    return figure


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_QUIET, labelsize=8)


def va_histogram(plane: np.ndarray, kind: str, part: str) -> Figure:
    """Figures 2 and 4: how often which valence and arousal were given.

    Args:
        plane: [bins, bins] int, frames by valence (first axis) and arousal, both from -1 to 1.
    """
    figure = _new(6.4, 5.6, f"Valence and arousal of the part annotated for {_TASKS[part]}\n{kind}")
    grid = figure.add_gridspec(2, 2, width_ratios=(4, 1), height_ratios=(1, 4))
    main = figure.add_subplot(grid[1, 0])
    shown = np.ma.masked_equal(plane.T, 0)
    image = main.imshow(shown, origin="lower", extent=(-1, 1, -1, 1), cmap="viridis", aspect="auto")
    main.axhline(0, color=_QUIET, linewidth=0.6)
    main.axvline(0, color=_QUIET, linewidth=0.6)
    main.set_xlabel("valence", fontsize=9)
    main.set_ylabel("arousal", fontsize=9)
    main.tick_params(colors=_QUIET, labelsize=8)
    middles = np.linspace(-1, 1, BINS + 1)[:-1] + 1 / BINS
    top = figure.add_subplot(grid[0, 0], sharex=main)
    top.bar(middles, plane.sum(axis=1), width=2 / BINS * 0.9, color=_BLUE)
    side = figure.add_subplot(grid[1, 1], sharey=main)
    side.barh(middles, plane.sum(axis=0), height=2 / BINS * 0.9, color=_BLUE)
    top.tick_params(labelbottom=False)
    side.tick_params(labelleft=False, labelrotation=45)
    for axes in (top, side):
        _plain(axes)
        axes.locator_params(axis="y" if axes is top else "x", nbins=3)
    corner = figure.add_subplot(grid[0, 1])
    corner.axis("off")
    bar = figure.colorbar(image, ax=corner, orientation="horizontal", fraction=0.9, pad=0.1)
    bar.set_label("frames", fontsize=8)
    bar.ax.locator_params(nbins=3)
    bar.ax.tick_params(labelsize=7)
    return figure


def bars(counts: Mapping[str, int], kind: str, title: str) -> Figure:
    """Figure 3: one bar for each class."""
    figure = _new(max(6.4, 0.75 * len(counts)), 4.2, f"{title}\n{kind}")
    axes = figure.add_subplot()
    drawn = axes.bar(list(counts), list(counts.values()), color=_BLUE, width=0.7)
    total = max(sum(counts.values()), 1)
    labels = [f"{count:,}\n{100 * count / total:.1f} %" for count in counts.values()]
    axes.bar_label(drawn, labels, fontsize=8, color=_INK, padding=2)
    axes.set_ylabel("frames", fontsize=9)
    axes.margins(y=0.18)
    _plain(axes)
    return figure


def together(matrix: np.ndarray, names: Sequence[str], kind: str) -> Figure:
    """The share of frames with the row's Action Unit in which the column's is active too.

    Args:
        matrix: [units, units] int, frames in which both are active.
        names: of the units, in that order.
    """
    active = np.diag(matrix)
    share = np.divide(
        matrix, active[:, None], out=np.zeros(matrix.shape), where=active[:, None] > 0
    )
    size = 1.8 + 0.5 * len(names)
    figure = _new(size + 0.8, size, f"Action Units that go together\n{kind}")
    axes = figure.add_subplot()
    image = axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    axes.set_xticks(range(len(names)), names, fontsize=8, rotation=60)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for i, j in np.ndindex(share.shape):
        text = f"{100 * share[i, j]:.0f}" if active[i] else "-"
        colour = "white" if share[i, j] > 0.6 else _INK
        axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set_ylabel("of the frames with ...", fontsize=9)
    axes.set_xlabel("... so many % have", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    return figure


def balance(statistics: Statistics) -> Figure:
    """Expressions and Action Units as shares of the labelled frames of each split."""
    whole, splits = statistics.parts["all"], statistics.splits
    groups = [(whole.expressions, "expression"), (whole.units, "au")]
    groups = [(labels, task) for labels, task in groups if labels]
    figure = _new(10, 1.2 + 2.8 * len(groups), f"Balance of the splits\n{statistics.kind}")
    colours = (_BLUE, _ORANGE, "#009e73")
    for place, (labels, task) in enumerate(groups):
        axes = figure.add_subplot(len(groups), 1, place + 1)
        width = 0.8 / len(splits)
        for number, split in enumerate(splits):
            of = max(whole.labelled[task][split], 1)
            heights = [100 * counts[split] / of for counts in labels.values()]
            at = np.arange(len(labels)) + (number - (len(splits) - 1) / 2) * width
            axes.bar(at, heights, width * 0.92, color=colours[number], label=split)
        axes.set_xticks(range(len(labels)), list(labels), fontsize=8)
        axes.set_ylabel("% of labelled frames", fontsize=8)
        if not place:
            axes.legend(fontsize=8, frameon=False, ncols=len(splits))
        _plain(axes)
    return figure


def va_plane(samples: Sequence[Sample], kind: str) -> Figure:
    """Figure 1: our samples in the plane of valence and arousal, and what the units are.

    On the right each Action Unit of `samples` with its name and a face that shows it.
    """
    figure = _new(13, 8, f"Faces in the plane of valence and arousal, and Action Units\n{kind}")
    grid = figure.add_gridspec(1, 2, width_ratios=(8, 5))
    axes = figure.add_subplot(grid[0])
    _wheel(axes)
    for place, sample in _apart(samples):
        picture = OffsetImage(sample.image, zoom=0.52)
        axes.add_artist(AnnotationBbox(picture, place, frameon=False, pad=0))
    units = sorted({u for s in samples for u in s.units or ()}, key=lambda u: int(u[2:]))
    columns = 2
    rows = max(-(-len(units) // columns), 1)
    inner = grid[1].subgridspec(rows, columns)
    for number, unit in enumerate(units):
        show = figure.add_subplot(inner[number // columns, number % columns])
        example = min(
            (s for s in samples if unit in (s.units or ())), key=lambda s: len(s.units or ())
        )
        show.imshow(example.image)
        show.set_title(f"{unit} {ACTION_UNIT_NAMES.get(unit, '')}", fontsize=9)
        show.axis("off")
    return figure


def _apart(samples: Sequence[Sample]) -> list[tuple[tuple[float, float], Sample]]:
    """Those whose pictures do not cover each other in the plane, and their places."""
    chosen: list[tuple[tuple[float, float], Sample]] = []
    for sample in samples:
        place = sample.valence_arousal
        if place is None:
            continue
        far = (max(abs(place[0] - x), abs(place[1] - y)) for (x, y), _ in chosen)
        if all(distance > _PICTURE for distance in far):
            chosen.append((place, sample))
    return chosen


def _wheel(axes: Axes) -> None:
    axes.set_aspect("equal")
    axes.set_xlim(-1.18, 1.18)
    axes.set_ylim(-1.18, 1.18)
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in (0.5, 1.0):
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="#c4cad1", linewidth=0.8)
    axes.axhline(0, color="#c4cad1", linewidth=0.8)
    axes.axvline(0, color="#c4cad1", linewidth=0.8)
    ends = (("very positive", 1.08, 0, -90), ("very negative", -1.08, 0, 90),
            ("very active", 0, 1.08, 0), ("very passive", 0, -1.08, 0))  # fmt: skip
    for text, x, y, turn in ends:
        axes.text(x, y, text, rotation=turn, ha="center", va="center", fontsize=10, color=_QUIET)
    axes.set_xlabel("valence", fontsize=10)
    axes.set_ylabel("arousal", fontsize=10)
    _plain(axes)


def sample_grid(samples: Sequence[Sample], kind: str, columns: int | None = None) -> Figure:
    """Faces with their labels below: the check by eye, and the pictures of Table II."""
    columns = columns or min(len(samples), 6)
    rows = -(-len(samples) // columns)
    width, height = 1.75 * columns, 0.5 + 2.35 * rows
    # Fixed margins: measuring every caption would take longer than drawing the faces.
    figure = Figure(figsize=(width, height))
    figure.suptitle(kind, fontsize=11, color=_INK)
    figure.subplots_adjust(
        left=0.02, right=0.98, bottom=0.75 / height, top=1 - 0.4 / height, wspace=0.08, hspace=0.42
    )
    for place, sample in enumerate(samples):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.imshow(sample.image)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("#c4cad1")
        axes.set_xlabel(sample.caption(), fontsize=8, color=_INK)
    return figure
