"""Calibration of a scored row's expressions: how sure it is, and how often it is right then.

The temperature is found on the validation frames; both errors are of the scored ones. Not in the
paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kaffect.data.prepared.records import FrameIndex
from kaffect.metrics.calibration import Reliability, best_temperature, reliability
from kaffect.training.prediction import Predictions

# In a record: expected calibration error as trained, and with the temperature.
ERRORS = ("ece", "ece_scaled")


def calibration_of(
    index: FrameIndex,
    answers: Predictions,
    validation: FrameIndex,
    validated: Predictions,
) -> dict[str, Any]:
    """Temperature, errors before and after it, and their bins, JSON-able.

    Args:
        index: the scored frames; answers: the network's, in the order of `index.rows`.
        validation, validated: the same of the validation frames.
    """
    temperature = best_temperature(*_labelled(validation, validated))
    labels, logits = _labelled(index, answers)
    found = {"before": reliability(labels, logits)}
    found["after"] = reliability(labels, logits / temperature)
    return {
        "temperature": round(temperature, 6),
        "split": index.name,
        **{name: round(f.error, 6) for name, f in zip(ERRORS, found.values())},
        **{name: _bins(bins) for name, bins in found.items()},
    }


def _labelled(index: FrameIndex, answers: Predictions) -> tuple[np.ndarray, np.ndarray]:
    scoring = index.scoring()
    valid = scoring.expression_valid
    place = np.searchsorted(index.rows, scoring.row)[valid]
    return scoring.expression[valid], answers["expression_logits"][place]


def _bins(found: Reliability) -> dict[str, list[float]]:
    return {
        "count": found.count.tolist(),
        "confidence": found.confidence.round(6).tolist(),
        "accuracy": found.accuracy.round(6).tolist(),
    }


def calibration_note(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence of the report about the rows that were calibrated."""
    rows = [record for record in records if "calibration" in record]
    if not rows:
        return []
    words = "; ".join(_words(record) for record in rows)
    return [
        "Calibration of the expressions: expected calibration error (15 bins) as trained, and "
        f"after temperature scaling on validation: {words}."
    ]


def _words(record: Mapping[str, Any]) -> str:
    found = record["calibration"]
    errors = ", ".join(f"{found[name]:.3f}" for name in ERRORS)
    return f"row {record['row']}, seed {record['seed']}: {errors} (T {found['temperature']:.2f})"
