"""Sums for each person or video of a scored row, from which intervals follow (Section IV-D).

Stored beside the results, so that a report can compare rows and seeds without predictions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kaffect.data.prepared.records import FrameIndex, Scoring
from kaffect.metrics.sums import ClusterSums, cluster_sums
from kaffect.studies.scoring import units_present
from kaffect.studies.stored_sums import TRACK
from kaffect.training.prediction import Predictions


def people(index: FrameIndex) -> np.ndarray:
    """The person that each track of a split shows, or the track's own name if not known.

    Returns:
        [tracks] of strings.
    """
    described = index.data.manifest["splits"][index.name]["tracks"]
    pairs = zip(described, index.tracks, strict=True)
    return np.array([track["subject"] or TRACK + name for track, name in pairs], dtype=str)


def sums_of_answers(
    index: FrameIndex,
    answers: Predictions,
    tasks: Iterable[str],
    thresholds: float | np.ndarray,
    scoring: Scoring | None = None,
) -> dict[str, Any]:
    """The sums of each task over each person's (else video's) labelled frames, JSON-able.

    Args:
        index: the scored frames; answers: the network's, in the order of `index.rows`.
        thresholds: logit from which a unit counts as present.
        scoring: labels in the place of those of `index`.
    """
    scoring, wanted = index.scoring() if scoring is None else scoring, set(tasks)
    place = np.searchsorted(index.rows, scoring.row)
    # Single pictures are taken as independent: a list does not say whose they are.
    persons = scoring.row if index.data.fps is None else people(index)[scoring.track]
    found: dict[str, ClusterSums] = {}
    if "va" in wanted and scoring.va_valid.any():
        valid, values = scoring.va_valid, answers["valence_arousal"][place]
        found["va"] = cluster_sums(scoring.valence_arousal[valid], values[valid], persons[valid])
    if "expression" in wanted and scoring.expression_valid.any():
        valid, logits = scoring.expression_valid, answers["expression_logits"][place]
        found["expression"] = cluster_sums(
            scoring.expression[valid],
            logits[valid].argmax(axis=1),
            persons[valid],
            "classes",
            logits.shape[1],
        )
    if "au" in wanted and scoring.au_valid.any():
        valid, logits = scoring.au_valid, answers["action_unit_logits"][place]
        present = units_present(logits[valid], thresholds)
        units = scoring.action_units[valid]
        found["au"] = cluster_sums(units, present, persons[valid], "units")
    return {task: sums.as_json() for task, sums in found.items()}
