"""A threshold for each Action Unit, chosen on validation (second study; rare units)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kaffect.errors import DatasetError, expected_received

DEFAULT = 0.5


def best_thresholds(y_true: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]:
    """The probability from which each unit counts as present so that its F1 is the highest.

    Every cut between two different probabilities is tried. Of equally good ones the
    nearest to 0.5 is taken; a unit that is never labelled keeps 0.5.

    Args:
        y_true: [n, units] of 0 and 1; probabilities: [n, units].

    Returns:
        [units] in (0, 1); present means probability > threshold.
    """
    true, given = np.asarray(y_true).astype(bool), np.asarray(probabilities, np.float64)
    if true.shape != given.shape or true.ndim != 2 or not len(true):
        raise DatasetError(
            expected_received("Labels and probabilities", "one shape [n, units]", true.shape)
        )
    return np.array([_best(true[:, i], given[:, i]) for i in range(true.shape[1])])


def _best(true: NDArray[np.bool_], given: NDArray[np.float64]) -> float:
    if not true.any():
        return DEFAULT
    order = np.argsort(-given, kind="stable")
    values, hits = given[order], np.cumsum(true[order])
    # Naming the first k + 1 is possible only where the next value is another one.
    ends = np.flatnonzero(np.append(values[:-1] > values[1:], True))
    scores = 2.0 * hits[ends] / (ends + 1 + true.sum())
    upper = values[ends]
    lower = np.append(values[ends[:-1] + 1], 0.0)
    # Half way to the next value below; 0.5 itself where it lies between.
    cuts = np.where((lower <= DEFAULT) & (upper > DEFAULT), DEFAULT, (lower + upper) / 2.0)
    best = np.flatnonzero(scores == scores.max())
    chosen = cuts[best[np.argmin(np.abs(cuts[best] - DEFAULT))]]
    return float(np.clip(chosen, 1e-9, 1.0 - 1e-9))
