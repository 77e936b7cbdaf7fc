"""The frames that the framewise study trains and validates on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kaffect.config.framewise import FramewiseConfig
from kaffect.data.batches.pipeline import labelled_rows
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import DatasetError
from kaffect.labels import TASKS
from kaffect.training.determinism import derived_seed

# One subset for every row and seed of a table: seeds vary training, never the data.
_SUBSET_SEED = 0


def with_labels(config: FramewiseConfig, index: FrameIndex) -> np.ndarray:
    """Rows with a face and the labels that `data.labels` asks for."""
    if config.data.labels == "any":
        return labelled_rows(index)
    rows = index.rows
    if config.data.labels == "complete":
        for task in TASKS:
            rows = np.intersect1d(rows, labelled_rows(index, task))
        return rows
    found = [labelled_rows(index, task) for task in config.loss.tasks]
    return np.unique(np.concatenate(found))


def subset(rows: np.ndarray, share: float, kind: str, name: str) -> np.ndarray:
    """`share` of `rows`, sorted: 'random' ones, or the 'first' of the list."""
    if share >= 1 or not len(rows):
        return rows
    count = max(1, round(share * len(rows)))
    if kind == "first":
        return rows[:count]
    generator = np.random.default_rng(derived_seed(_SUBSET_SEED, "subset", name))
    return np.sort(generator.choice(rows, count, replace=False))


def training_rows(
    config: FramewiseConfig, index: FrameIndex
) -> np.ndarray | tuple[np.ndarray, ...]:
    """The training frames; with `data.balanced` one array for each trained task.

    Raises:
        DatasetError: there is none, or none for a task that must have its part of the batch.
    """
    data = config.data
    rows = subset(with_labels(config, index), data.train_share, data.subset, "train")
    if not len(rows):
        what = {"own": "of a trained task", "any": "of any task", "complete": "of all three tasks"}
        raise DatasetError(f"no training frame has a face and a label {what[data.labels]}")
    if not data.balanced or len(config.loss.tasks) == 1:
        return rows
    groups = tuple(np.intersect1d(rows, labelled_rows(index, t)) for t in config.loss.tasks)
    for task, group in zip(config.loss.tasks, groups):
        if not len(group):
            raise DatasetError(f"no training frame has a label of task {task!r}; it has no part")
    return groups


def validation_frames(config: FramewiseConfig, split: Callable[[str], FrameIndex]) -> FrameIndex:
    """The frames that validate a row: of the validation set, or with `data.scored` 'next' those
    training frames that follow the ones it is trained on.

    Args:
        split: the frames of the split of that name.

    Raises:
        DatasetError: there is none.
    """
    if config.data.scored == "next":
        index = split("train")
        found = index.with_rows(next_rows(config, index))
    else:
        index = split("validation")
        found = index.with_rows(validation_rows(config, index))
    if not len(found):
        raise DatasetError("no validation frame has a label of a task that this row trains")
    return found


def validation_rows(config: FramewiseConfig, index: FrameIndex) -> np.ndarray:
    """The validation frames with a label of a trained task, or the study's subset of them."""
    found = np.unique(np.concatenate([labelled_rows(index, t) for t in config.loss.tasks]))
    return subset(found, config.data.validation_share, config.data.subset, "validation")


def next_rows(config: FramewiseConfig, index: FrameIndex) -> np.ndarray:
    """The training frames that follow the first ones: `validation_share` of all of them.

    They come from the video that training stopped in, and look like its last frames.
    """
    rows = with_labels(config, index)
    used = len(subset(rows, config.data.train_share, "first", "train"))
    return rows[used : used + max(1, round(config.data.validation_share * len(rows)))]
