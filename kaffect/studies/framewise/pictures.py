"""Pictures of a run of Tables A1 to A5: learning curves and histograms of the labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from kaffect.files import atomic_write
from kaffect.studies.curves import curves_figure, histogram_figure
from kaffect.studies.pictures import picture_faces
from kaffect.studies.row import Record, Scored
from kaffect.training.summaries import RunSummaries, figure_pixels

if TYPE_CHECKING:
    from kaffect.studies.framewise.study import FrameTraining


def draw_training(
    row: FrameTraining, scored: Scored, record: Record, folder: Path, summaries: RunSummaries
) -> None:
    """Write learning curves and label histograms (PNG, TensorBoard) and faces (TensorBoard)."""
    every, step, name = row.schedule.evaluate_every, record["steps"], row.training.name
    title = row.training.row.label
    figures = {"curves": curves_figure(record["history"], every, title, record["best_step"])}
    figures |= histograms(row)
    for kind, figure in figures.items():
        pixels = figure_pixels(figure)
        write_png(folder / f"{name}-{kind}.png", pixels)
        summaries.pixels(step, kind, pixels)
    picture_faces(summaries, step, scored.index, scored.answers, row.config.loss.tasks)


def histograms(run: FrameTraining) -> dict[str, Figure]:
    """Histograms of the expressions and Action Units in the training and validation frames."""
    train = run.source.split("train")
    splits = {"train": (train, run.seen), "validation": (run.validation, run.validation.rows)}
    space, figures = train.data.label_space, {}
    if "expression" in run.config.loss.tasks:
        counts = {}
        for split, (index, rows) in splits.items():
            labels = index.expression[rows][index.expression_valid[rows]]
            counts[split] = np.bincount(labels, minlength=len(space.expressions)).tolist()
        figures["expressions"] = histogram_figure(counts, space.expressions, "expressions")
    if "au" in run.config.loss.tasks:
        counts = {
            split: index.action_units[rows][index.au_valid[rows]].sum(axis=0, dtype=int).tolist()
            for split, (index, rows) in splits.items()
        }
        figures["units"] = histogram_figure(counts, space.action_units, "Action Units present")
    return figures


def write_png(path: Path, pixels: np.ndarray) -> None:
    with atomic_write(path, "wb") as handle:
        Image.fromarray(pixels).save(handle, format="PNG")
