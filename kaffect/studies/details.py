"""What a report draws of a scored row beside its figures (Section V): matrices, density, videos.

Stored with the result, so that pictures of it need neither data nor predictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kaffect.data.prepared.records import FrameIndex, Scoring
from kaffect.metrics import ccc
from kaffect.studies.scoring import units_present
from kaffect.training.prediction import Predictions

BINS = 20  # of each side of the plane of valence and arousal
# In a video with fewer labelled frames, or without variance, a CCC says nothing.
FEWEST_FRAMES = 2


def details_of(
    index: FrameIndex,
    answers: Predictions,
    tasks: Iterable[str],
    thresholds: float | np.ndarray,
) -> dict[str, Any]:
    """What is drawn of each task, JSON-able.

    Args:
        index: the scored frames; answers: the network's, in the order of `index.rows`.
        thresholds: logit from which a unit counts as present.

    Returns:
        `expression`: classes and confusion matrix (row: label, column: answer, in frames);
        `au`: units, F1 and number of frames that have each; `va`: frames by valence (first axis)
        and arousal, labels and answers, and the CCC of each video.
    """
    scoring, wanted, space = index.scoring(), set(tasks), index.data.label_space
    place, found = np.searchsorted(index.rows, scoring.row), {}
    if "expression" in wanted and scoring.expression_valid.any():
        valid = scoring.expression_valid
        said = answers["expression_logits"][place][valid].argmax(axis=1)
        matrix = np.zeros((len(space.expressions),) * 2, np.int64)
        np.add.at(matrix, (scoring.expression[valid], said), 1)
        found["expression"] = {"classes": [*space.expressions], "matrix": matrix.tolist()}
    if "au" in wanted and scoring.au_valid.any():
        valid = scoring.au_valid
        present = units_present(answers["action_unit_logits"][place][valid], thresholds)
        found["au"] = _units(space.action_units, scoring.action_units[valid], present)
    if "va" in wanted and scoring.va_valid.any():
        valid = scoring.va_valid
        said = answers["valence_arousal"][place][valid]
        found["va"] = {
            "labels": plane(scoring.valence_arousal[valid]).tolist(),
            "answers": plane(said).tolist(),
            "videos": _videos(index, scoring, said),
        }
    return found


def plane(values: np.ndarray) -> np.ndarray:
    """Frames by valence (first axis) and arousal: int64 [BINS, BINS], from -1 to 1.

    Args:
        values: [n, 2]; what lies outside counts in the outermost bin.
    """
    bins = np.clip(np.floor((np.asarray(values, np.float64) + 1) / 2 * BINS), 0, BINS - 1)
    counts = np.zeros((BINS, BINS), np.int64)
    np.add.at(counts, tuple(bins.astype(int).T), 1)
    return counts


def _units(names: Sequence[str], labels: np.ndarray, present: np.ndarray) -> dict[str, Any]:
    labels, present = labels.astype(bool), present.astype(bool)
    hits = (labels & present).sum(axis=0)
    both = labels.sum(axis=0) + present.sum(axis=0)
    f1 = np.divide(2.0 * hits, both, out=np.zeros(len(names)), where=both > 0)
    active = labels.sum(axis=0)
    return {"units": [*names], "f1": f1.round(6).tolist(), "frames": active.astype(int).tolist()}


def _videos(index: FrameIndex, scoring: Scoring, answers: np.ndarray) -> list[dict[str, Any]]:
    if index.data.fps is None:  # single pictures have no videos
        return []
    valid = scoring.va_valid
    labels, tracks = scoring.valence_arousal[valid], scoring.track[valid]
    found = []
    for track in np.unique(tracks):
        own = tracks == track
        if own.sum() >= FEWEST_FRAMES:
            values = np.atleast_1d(ccc(labels[own], answers[own]))
            name, frames = index.tracks[track], int(own.sum())
            figures = [round(float(value), 6) for value in values]
            found.append({"video": name, "frames": frames, "ccc": figures})
    return found
