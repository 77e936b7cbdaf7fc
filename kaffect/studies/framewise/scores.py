"""Scores of the second study: its criteria, F1 of every class and unit, thresholds, losses."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kaffect.data.prepared.records import FrameIndex, Scoring
from kaffect.labels import AU, TASK_BY_NAME, LabelSpace
from kaffect.metrics import (
    abaw1_au,
    abaw1_expression,
    au_f1,
    f1_per_class,
    p_mtl,
)
from kaffect.studies.scoring import HALF, score, units_present
from kaffect.training.prediction import Predictions


def score_frames(
    predictions: Predictions,
    rows: np.ndarray,
    scoring: Scoring,
    tasks: Iterable[str],
    space: LabelSpace,
    thresholds: float | np.ndarray = HALF,
) -> dict[str, float]:
    """Every criterion of `tasks` over the labelled frames.

    Args:
        predictions: as `predict_rows` gives them, for the sorted row numbers `rows`.
        scoring: the annotated frames of the same split.
        space: its classes and units.
        thresholds: logit above which a unit counts as present; one, or one for each.

    Returns:
        What `score` gives, with `p_va`, `p_expr`, `p_au` where labels are there, `p_mtl` where all
        three are, `f1_<expression>` and `f1_<unit>` in lower case, `abaw1_expr` and `abaw1_au`;
        `score` is the sum of the criteria.
    """
    tasks = tuple(tasks)
    found = score(predictions, rows, scoring, tasks, threshold=thresholds)
    place = np.searchsorted(rows, scoring.row)
    if "ccc_valence" in found:
        found["p_va"] = (found["ccc_valence"] + found["ccc_arousal"]) / 2
    if "f1_macro_all" in found:
        labelled = scoring.expression_valid
        true = scoring.expression[labelled]
        predicted = predictions["expression_logits"][place].argmax(axis=1)[labelled]
        each = f1_per_class(true, predicted, len(space.expressions))
        found["p_expr"] = float(each.mean())
        found["abaw1_expr"] = abaw1_expression(true, predicted, len(space.expressions))
        found |= {f"f1_{n.lower()}": float(v) for n, v in zip(space.expressions, each)}
    if "au_f1_macro" in found:
        labelled = scoring.au_valid
        true = scoring.action_units[labelled]
        logits = predictions["action_unit_logits"][place][labelled]
        units = units_present(logits, thresholds)
        found["p_au"] = found["au_f1_macro"]
        found["abaw1_au"] = abaw1_au(true, units)
        found |= {
            f"f1_{n.lower()}": float(v) for n, v in zip(space.action_units, au_f1(true, units))
        }
    criteria = [found[name] for name in ("p_va", "p_expr", "p_au") if name in found]
    if len(criteria) == 3:
        found["p_mtl"] = p_mtl(*criteria)
    return {**found, "score": float(sum(criteria))}


def labels_of(index: FrameIndex) -> dict[str, np.ndarray]:
    """Labels and masks of `index.rows`, under the keys that a batch has; for validation losses."""
    rows = index.rows
    seen = index.has_face[rows]
    found: dict[str, np.ndarray] = {}
    for task in TASK_BY_NAME.values():
        found[task.column] = np.asarray(index.values(task.name)[rows])
        found[task.mask] = index.valid(task.name)[rows] & seen
    return {**found, AU.column: found[AU.column].astype(np.float32)}
