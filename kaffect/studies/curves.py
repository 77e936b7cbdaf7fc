"""Pictures of a training run of the second study: curves by epoch, histograms of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no screen is needed, nor asked for
from matplotlib import pyplot  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

_TERMS = {"valence_arousal": "valence/arousal", "expression": "expression", "action_units": "units"}
_CRITERIA = {"p_va": "P_VA", "p_expr": "P_EXPR", "p_au": "P_AU", "accuracy": "accuracy"}
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def curves_figure(
    history: Sequence[Mapping[str, Any]], steps_per_epoch: int, title: str, best_step: int
) -> Figure:
    """Losses of training (line) and validation (dashed) by task, and the criteria, by epoch.

    Args:
        history: of `Progress`: step, train, validation.
        best_step: of the checkpoint that validation chose; marked.
    """
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9.6, 4.2))
    epochs = [look["step"] / steps_per_epoch for look in history]
    for (term, name), colour in zip(_TERMS.items(), _COLOURS):
        for part, key, style in (("train", term, "-"), ("validation", f"loss_{term}", "--")):
            values = [look[part].get(key) for look in history]
            if None not in values:
                left.plot(epochs, values, style, marker="o", ms=3, color=colour,
                          label=f"{name}, {part}")  # fmt: skip
    for (term, name), colour in zip(_CRITERIA.items(), _COLOURS):
        values = [look["validation"].get(term) for look in history]
        if None not in values:
            right.plot(epochs, values, marker="o", ms=3, color=colour, label=name)
    for axis, name in ((left, "loss"), (right, "validation score")):
        axis.axvline(best_step / steps_per_epoch, color="#888888", lw=1, ls=":")
        axis.set_xlabel("epoch")
        axis.set_ylabel(name)
        axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
        axis.grid(alpha=0.25)
        if axis.lines[:-1]:
            # Below the axes: a curve may be anywhere inside.
            axis.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(f"{title} (dotted line: chosen checkpoint)", fontsize=9)
    figure.tight_layout()
    return figure


def histogram_figure(
    counts: Mapping[str, Sequence[int]], names: Sequence[str], title: str
) -> Figure:
    """How many labelled frames each class or unit has, in each split.

    Args:
        counts: split -> count for each of `names`.
    """
    figure, axis = pyplot.subplots(figsize=(max(5.0, 0.62 * len(names) + 2.0), 3.4))
    places, width = np.arange(len(names)), 0.8 / max(1, len(counts))
    for number, (split, values) in enumerate(counts.items()):
        total = max(1, sum(values))
        shift = (number - (len(counts) - 1) / 2) * width
        colour, label = _COLOURS[number % len(_COLOURS)], f"{split} ({total:,})"
        shares = np.asarray(values) / total
        bars = axis.bar(places + shift, shares, width, label=label, color=colour)
        axis.bar_label(bars, labels=[f"{v:,}" for v in values], fontsize=5, rotation=90, padding=2)
    axis.set_xticks(places, names, rotation=35 if len(names) > 8 else 20, ha="right", fontsize=8)
    axis.set_ylabel("share of the labels")
    axis.margins(y=0.18)
    axis.set_title(title, fontsize=9)
    axis.legend(fontsize=7)
    figure.tight_layout()
    return figure
