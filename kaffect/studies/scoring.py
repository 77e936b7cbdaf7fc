"""Predictions -> the numbers of Tables IX to XI (paper Section IV-D), once per annotated frame.

A video is predicted at 30 frames a second; each annotated frame of the source
takes the prediction nearest in time and is scored exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kaffect.data.prepared.records import Scoring
from kaffect.metrics import au_scores, best_logit_thresholds, expression_scores, va_scores
from kaffect.metrics.thresholds import HALF
from kaffect.training.prediction import Predictions


def score(
    predictions: Predictions,
    rows: np.ndarray,
    scoring: Scoring,
    tasks: Iterable[str],
    *,
    threshold: float | np.ndarray = HALF,
) -> dict[str, float]:
    """Metrics of `tasks` over all annotated frames together.

    Args:
        predictions: as `predict_rows` gives them, for the sorted row numbers `rows`.
        scoring: the annotated frames of the same split.
        tasks: of 'va', 'expression' and 'au'; a task without labels gives no metrics.
        threshold: logit above which an Action Unit counts as present; one, or [units].

    Returns:
        Metric name -> value; `score`, by which a checkpoint is chosen, is the mean CCC
        plus the macro F1 of the tasks scored.
    """
    place = np.searchsorted(rows, scoring.row)
    found: dict[str, float] = {}
    total = 0.0
    wanted = set(tasks)
    if "va" in wanted:
        pairs = scoring.valence_arousal, predictions["valence_arousal"][place], scoring.va_valid
        va = va_scores(*pairs, video=scoring.track)
        total += (va["ccc_valence"] + va["ccc_arousal"]) / 2 if va else 0.0
        found.update(va)
    if "expression" in wanted:
        logits = predictions["expression_logits"][place]
        expression = expression_scores(
            scoring.expression, logits.argmax(axis=1), scoring.expression_valid, logits.shape[1]
        )
        total += expression.get("f1_macro", 0.0)
        found.update(expression)
    if "au" in wanted:
        present = units_present(predictions["action_unit_logits"][place], threshold)
        au = au_scores(scoring.action_units, present, scoring.au_valid)
        total += au.get("au_f1_macro", 0.0)
        found.update(au)
    return {**found, "score": total}


def units_present(logits: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """Decisions of 0 and 1 from logits [..., units] and thresholds, which are logits too.

    Compared in float64, in which a threshold between two logits separates them.
    """
    return (np.asarray(logits, np.float64) > threshold).astype(int)


def thresholds_for(
    predictions: Predictions, rows: np.ndarray, scoring: Scoring
) -> float | np.ndarray:
    """Of Action Units, as logits, of the best F1 on these predictions (of validation frames)."""
    labelled = scoring.au_valid
    if not np.any(labelled) or "action_unit_logits" not in predictions:
        return HALF
    place = np.searchsorted(rows, scoring.row)
    logits = predictions["action_unit_logits"][place][labelled]
    return best_logit_thresholds(scoring.action_units[labelled], logits)
