"""Pictures of a training run of the second study: curves by epoch, histograms of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no screen is needed, nor asked for
from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

_TERMS = {"valence_arousal": "valence/arousal", "expression": "expression", "action_units": "units"}
_CRITERIA = {"p_va": "P_VA", "p_expr": "P_EXPR", "p_au": "P_AU"}
# What the study plots of training and validation alike.
_SEEN = {"accuracy": "accuracy", "ccc_valence": "CCC valence", "ccc_arousal": "CCC arousal"}
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def curves_figure(
    history: Sequence[Mapping[str, Any]], steps_per_epoch: int, title: str, best_step: int
) -> Figure:
    """Losses, the criteria of validation, then accuracy and CCCs, each by epoch.

    Of training (line) and validation (dashed); training's are those of the batches themselves,
    each before its update.

    Args:
        history: of `Progress`: step, train, validation.
        best_step: of the checkpoint that validation chose; marked.
    """
    figure, axes = pyplot.subplots(1, 3, figsize=(13.6, 4.2))
    losses, criteria, seen = axes
    epochs = [look["step"] / steps_per_epoch for look in history]

    def plot(axis: Axes, part: str, key: str, label: str, colour: str, style: str = "-") -> None:
        values = [look[part].get(key) for look in history]
        if None not in values:
            axis.plot(epochs, values, style, marker="o", ms=3, color=colour, label=label)

    for (term, name), colour in zip(_TERMS.items(), _COLOURS):
        plot(losses, "train", term, f"{name}, train", colour)
        plot(losses, "validation", f"loss_{term}", f"{name}, validation", colour, "--")
    for (key, name), colour in zip(_CRITERIA.items(), _COLOURS):
        plot(criteria, "validation", key, name, colour)
    # Expressions in their colour; arousal in another than valence.
    for (key, name), colour in zip(_SEEN.items(), (_COLOURS[1], _COLOURS[0], _COLOURS[3])):
        plot(seen, "train", key, f"{name}, train", colour)
        plot(seen, "validation", key, f"{name}, validation", colour, "--")
    for axis, name in zip(axes, ("loss", "validation score", "accuracy and CCC")):
        _finish(axis, name, best_step / steps_per_epoch)
    figure.suptitle(f"{title} (dotted line: chosen checkpoint)", fontsize=9)
    figure.tight_layout()
    return figure


def _finish(axis: Axes, name: str, best_epoch: float) -> None:
    axis.axvline(best_epoch, color="#888888", lw=1, ls=":")
    axis.set_xlabel("epoch")
    axis.set_ylabel(name)
    axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
    axis.grid(alpha=0.25)
    if axis.lines[:-1]:
        # Below the axes: a curve may be anywhere inside.
        axis.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


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
