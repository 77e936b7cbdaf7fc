"""Pictures for TensorBoard: faces with their labels, and attention weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from scipy.special import expit, softmax

from kaffect.data.batches.pipeline import evaluation_frames
from kaffect.data.prepared.records import FrameIndex
from kaffect.studies.image_grids import write_image
from kaffect.training.prediction import Predictions
from kaffect.training.summaries import (
    RunSummaries,
    attention_figure,
    figure_pixels,
    labelled_faces,
)

FACES = 18


def read_images(index: FrameIndex, rows: np.ndarray) -> np.ndarray:
    """The pictures of `rows`, uint8 [len(rows), height, width, 3], in the order of `rows`."""
    batches = [batch["images"].numpy() for batch in evaluation_frames(index, rows=rows)]
    return np.concatenate(batches)[: len(rows)]


def caption(valence_arousal: np.ndarray | None, expression: str | None) -> str:
    """'V +0.31 A -0.20 Happiness', with what is there."""
    parts = []
    if valence_arousal is not None:
        parts.append(f"V {valence_arousal[0]:+.2f} A {valence_arousal[1]:+.2f}")
    if expression is not None:
        parts.append(expression)
    return "\n".join(parts) or "no label"


def picture_faces(
    summaries: RunSummaries,
    step: int,
    index: FrameIndex,
    answers: Predictions,
    tasks: tuple[str, ...],
) -> None:
    """Frames evenly spread over the split, with the labels of `tasks`, true and predicted."""
    shown = index.rows[index.has_face[index.rows]]
    if not len(shown):
        return
    rows = shown[np.linspace(0, len(shown) - 1, min(FACES, len(shown))).astype(int)]
    names = index.data.label_space.expressions
    places = np.searchsorted(index.rows, rows)
    va = answers["valence_arousal"] if "va" in tasks else None
    logits = answers["expression_logits"] if "expression" in tasks else None
    true = [
        caption(
            index.valence_arousal[row] if index.va_valid[row] else None,
            names[index.expression[row]] if index.expression_valid[row] else None,
        )
        for row in rows
    ]
    predicted = [
        caption(
            None if va is None else va[place],
            None if logits is None else names[int(logits[place].argmax())],
        )
        for place in places
    ]
    summaries.pixels(step, "faces", labelled_faces(read_images(index, rows), true, predicted))


def picture_attention(
    summaries: RunSummaries,
    step: int,
    attention: Callable[[tf.Tensor], tf.Tensor],
    batches: tf.data.Dataset,
    path: Path,
) -> None:
    """The attention weights of the first validation sequence, in TensorBoard and as PNG."""
    features = next(iter(batches))["features"][:1]
    weights = attention(tf.cast(features, tf.float32))
    figure = attention_figure(weights[0].numpy(), "attention over the last outputs, one sequence")
    pixels = figure_pixels(figure)
    write_image(path, pixels)
    summaries.pixels(step, "attention", pixels)


def picture_precision_recall(
    summaries: RunSummaries,
    step: int,
    index: FrameIndex,
    answers: Predictions,
    tasks: tuple[str, ...],
) -> None:
    """Precision-recall curves of each expression against the rest, and of each Action Unit.

    A class that no scored frame has, or that all have, gets none.
    """
    scoring, space = index.scoring(), index.data.label_space
    place = np.searchsorted(index.rows, scoring.row)
    curves: list[tuple[str, np.ndarray, np.ndarray]] = []
    if "expression" in tasks:
        valid = scoring.expression_valid
        shares = softmax(answers["expression_logits"][place][valid], axis=1)
        labels = scoring.expression[valid]
        curves += [(name, labels == i, shares[:, i]) for i, name in enumerate(space.expressions)]
    if "au" in tasks:
        valid = scoring.au_valid
        shares = expit(answers["action_unit_logits"][place][valid])
        labels = scoring.action_units[valid].astype(bool)
        curves += [(n, labels[:, i], shares[:, i]) for i, n in enumerate(space.action_units)]
    for name, labels, shares in curves:
        if labels.any() and not labels.all():
            summaries.precision_recall(step, name, labels, shares)
