"""Predictions of a split as the challenges take them: a row for every frame of every video.

The network answers 30 frames a second; a frame of the source takes the answer nearest to
it, and one without a face that of the nearest frame of its video which has one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kaffect.data.annotations.lists import LIST_COLUMNS
from kaffect.data.annotations.submissions import Submission, write_submission
from kaffect.data.prepared.records import FrameIndex
from kaffect.labels import EXPRESSIONS_8, LABEL_SPACES, TASKS, VALENCE_AROUSAL
from kaffect.studies.scoring import HALF, units_present
from kaffect.training.prediction import Predictions


def submissions(
    index: FrameIndex,
    answers: Predictions,
    tasks: Iterable[str],
    thresholds: float | np.ndarray = HALF,
) -> dict[str, Submission]:
    """One submission for each of `tasks`, over every frame of every track that counts.

    A network of all three tasks with the classes of Aff-Wild2 also gets the multi-task one, 'all'.

    Args:
        index: a split or part of it; answers: for its rows, in their order.
        thresholds: logit above which a unit counts as present.

    Returns:
        Task -> submission; without a task whose classes no challenge has.
    """
    space, places = index.data.label_space, _places(index)
    columns = {"va": VALENCE_AROUSAL, "expression": space.expressions, "au": space.action_units}
    values = {
        task: to_labels(task, answers, thresholds)
        for task in tasks
        if any(
            columns[task] in (VALENCE_AROUSAL, s.expressions, s.action_units)
            for s in LABEL_SPACES.values()
        )
    }
    joint = (*VALENCE_AROUSAL, "expression", *space.action_units)
    if (
        set(values) == set(TASKS)
        and space.expressions == EXPRESSIONS_8
        and joint == LIST_COLUMNS[1:]
    ):
        columns["all"] = joint
        values["all"] = np.column_stack([values[task] for task in TASKS])
    return {
        task: Submission.of_tracks(
            task, columns[task], {name: found[chosen] for name, chosen in places.items()}
        )
        for task, found in values.items()
    }


def write_submissions(
    folder: Path,
    name: str,
    index: FrameIndex,
    answers: Predictions,
    tasks: Iterable[str],
    thresholds: float | np.ndarray = HALF,
) -> None:
    """Write each of `submissions` as `NAME-TASK.txt` into `folder`."""
    for task, submission in submissions(index, answers, tasks, thresholds).items():
        write_submission(folder / f"{name}-{task}.txt", submission)


def to_labels(task: str, answers: Predictions, thresholds: float | np.ndarray) -> np.ndarray:
    """Outputs -> labels of one task.

    Returns:
        'va': [rows, 2] float64 in [-1, 1]; 'expression': [rows] class numbers; 'au': [rows,
        units] 0 and 1.
    """
    if task == "va":
        return np.clip(answers["valence_arousal"].astype(np.float64), -1.0, 1.0)
    if task == "expression":
        return answers["expression_logits"].argmax(axis=1).astype(np.int32)
    return units_present(answers["action_unit_logits"], thresholds).astype(np.int8)


def _places(index: FrameIndex) -> dict[str, np.ndarray]:
    """Track -> for each frame of its source video the place of its answer among `index.rows`."""
    described = index.data.manifest["splits"][index.name]["tracks"]
    scoring = index.scoring()
    found = {}
    for number in np.unique(index.track[index.rows]).tolist():
        rows = index.rows[index.track[index.rows] == number]
        frames = np.arange(1, described[number]["source_frames"] + 1)
        chosen = rows[_nearest(index.source_frame[rows], frames)]
        # Where the label's own row is known, it is the nearest in time, not in number.
        own = scoring.track == number
        chosen[scoring.source_frame[own] - 1] = scoring.row[own]
        seen = rows[index.has_face[rows]]
        if len(seen):
            chosen = seen[_nearest(seen, chosen)]
        found[index.tracks[number]] = np.searchsorted(index.rows, chosen)
    return found


def _nearest(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """For each of `wanted` the place of the nearest of the sorted `values`; the earlier of two."""
    right = np.clip(np.searchsorted(values, wanted), 0, len(values) - 1)
    left = np.maximum(right - 1, 0)
    closer = np.abs(values[left] - wanted) <= np.abs(values[right] - wanted)
    return np.where(closer, left, right)
