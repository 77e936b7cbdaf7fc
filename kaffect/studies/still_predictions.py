"""What a network says of every picture of a list, in the columns of such a list (second study)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kaffect.data.prepared.records import FrameIndex
from kaffect.files import atomic_write
from kaffect.labels import VALENCE_AROUSAL
from kaffect.studies.scoring import HALF
from kaffect.studies.submission import to_labels
from kaffect.training.prediction import Predictions


def write_still_predictions(
    path: str | Path,
    names: Sequence[str],
    index: FrameIndex,
    answers: Predictions,
    tasks: Iterable[str],
    thresholds: float | np.ndarray = HALF,
) -> None:
    """Write a line for each picture: path, and what the network was trained for.

    `path,valence,arousal,expression,AU1,...`: valence and arousal in [-1, 1], the name of the
    expression, 0 or 1 for each Action Unit.

    Args:
        path: of the file to write; names: of every picture of the split, as the list has them.
        index: the split or part of it; answers: for its rows, in their order.
        thresholds: logit above which a unit counts as present; one, or one for each.
    """
    tasks, space = tuple(tasks), index.data.label_space
    header = ["path"]
    columns: list[list[str]] = [[names[frame - 1] for frame in index.source_frame[index.rows]]]
    if "va" in tasks:
        header += VALENCE_AROUSAL
        values = to_labels("va", answers, thresholds)
        columns += [[f"{value:.6f}" for value in values[:, place]] for place in (0, 1)]
    if "expression" in tasks:
        header.append("expression")
        classes = to_labels("expression", answers, thresholds)
        columns.append([space.expressions[number] for number in classes])
    if "au" in tasks:
        header += space.action_units
        columns += to_labels("au", answers, thresholds).astype(str).T.tolist()
    with atomic_write(path) as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*columns))
