"""A threshold for each Action Unit, chosen on validation (second study; rare units).

Thresholds are found and kept as logits: the sigmoid of 38 and that of 45 are the same number, 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kaffect.errors import DatasetError, expected_received

# The logit of probability 0.5.
HALF = 0.0


def probabilities(logits: ArrayLike) -> NDArray[np.float64]:
    """Sigmoid in float64, without overflow and with all digits of small probabilities.

    Args:
        logits: [...], unbounded.

    Returns:
        [...], in [0, 1].
    """
    return np.exp(_log_sigmoid(np.asarray(logits, np.float64)))


def best_logit_thresholds(y_true: ArrayLike, logits: ArrayLike) -> NDArray[np.float64]:
    """The logit above which each unit counts as present so that its F1 is the highest.

    Every cut between two different logits is tried; it lies half way between their
    probabilities. Of equally good ones the nearest to 0 (probability 0.5) is taken; a unit that
    is never labelled keeps 0.

    Args:
        y_true: [n, units], labels of 0 and 1.
        logits: [n, units], finite.

    Returns:
        [units]; present means logit > threshold.

    Raises:
        DatasetError: other shapes, or none.
    """
    true, given = np.asarray(y_true).astype(bool), np.asarray(logits, np.float64)
    if true.shape != given.shape or true.ndim != 2 or not len(true):
        raise DatasetError(
            expected_received("Labels and outputs", "one shape [n, units]", true.shape)
        )
    return np.array([_best(true[:, i], given[:, i]) for i in range(true.shape[1])])


def best_thresholds(y_true: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """As `best_logit_thresholds`, for probabilities where no logits are at hand.

    Args:
        y_true: [n, units], labels of 0 and 1.
        values: [n, units], probabilities in [0, 1].

    Returns:
        [units]; present means probability > threshold.

    Raises:
        DatasetError: other shapes, none, or numbers outside [0, 1].
    """
    given = np.asarray(values, np.float64)
    if not np.all((given >= 0) & (given <= 1)):
        raise DatasetError(expected_received("Probabilities", "0 to 1", "numbers outside"))
    with np.errstate(divide="ignore"):
        logits = np.log(given) - np.log1p(-given)
    return probabilities(best_logit_thresholds(y_true, logits))


def _best(true: NDArray[np.bool_], given: NDArray[np.float64]) -> float:
    if not true.any():
        return HALF
    order = np.argsort(-given, kind="stable")
    values, hits = given[order], np.cumsum(true[order])
    # Naming the first k + 1 is possible only where the next value is another one.
    ends = np.flatnonzero(np.append(values[:-1] > values[1:], True))
    scores = 2.0 * hits[ends] / (ends + 1 + true.sum())
    cuts = _between(np.append(values[ends[:-1] + 1], -np.inf), values[ends])
    best = np.flatnonzero(scores == scores.max())
    return float(cuts[best[np.argmin(np.abs(cuts[best]))]])


def _between(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logit of the mean of two probabilities, given as logits; 0 itself where it lies between."""
    present = np.logaddexp(_log_sigmoid(lower), _log_sigmoid(upper))
    absent = np.logaddexp(_log_sigmoid(-lower), _log_sigmoid(-upper))
    # Of two neighbouring numbers the mean may be rounded to the upper one.
    half_way = np.where(present - absent < upper, present - absent, lower)
    return np.where((lower <= HALF) & (upper > HALF), HALF, np.maximum(half_way, lower))


def _log_sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.logaddexp(0.0, -logits)
