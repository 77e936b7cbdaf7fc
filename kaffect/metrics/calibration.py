"""How far the probabilities of a classifier can be believed, and one number that mends them.

Expected calibration error and temperature scaling as in Guo, Pleiss, Sun and Weinberger, On
calibration of modern neural networks, ICML 2017 (Equation 3 and Section 4.2). Not in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from kaffect.errors import DatasetError, expected_received

BINS = 15
# Temperatures that are tried, as logarithms: 1/50 to 50.
_LIMIT = float(np.log(50.0))


@dataclass(frozen=True)
class Reliability:
    """Confidence (the probability of the answer) against how often the answer is right.

    Attributes:
        count: [bins] answers with a confidence in ((i - 1) / bins, i / bins].
        confidence, accuracy: [bins] their means; 0 where there is no answer.
    """

    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error, in [0, 1]: the mean gap of the two, over all answers."""
        gap = np.abs(self.confidence - self.accuracy)
        return float((self.count * gap).sum() / self.count.sum())


def reliability(y_true: ArrayLike, logits: ArrayLike, bins: int = BINS) -> Reliability:
    """The answers of a softmax classifier in bins of equal width by their confidence.

    Args:
        y_true: [n] class numbers.
        logits: [n, classes], finite.

    Raises:
        DatasetError: other shapes, or nothing.
    """
    true, given = _checked(y_true, logits)
    shares = special.softmax(given, axis=1)
    confidence = shares.max(axis=1)
    right = shares.argmax(axis=1) == true
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(places, minlength=bins)
    divisor = np.maximum(count, 1)
    return Reliability(
        count,
        np.bincount(places, confidence, bins) / divisor,
        np.bincount(places, right, bins) / divisor,
    )


def expected_calibration_error(y_true: ArrayLike, logits: ArrayLike, bins: int = BINS) -> float:
    """The mean gap of confidence and accuracy over all answers, in [0, 1].

    Args:
        y_true: [n] class numbers.
        logits: [n, classes], finite.
        bins: of equal width.

    Raises:
        DatasetError: as of `reliability`.

    >>> expected_calibration_error([0, 0], [[10.0, 0.0], [0.0, 10.0]])  # sure, right half the time
    0.49995...
    """
    return reliability(y_true, logits, bins).error


def best_temperature(y_true: ArrayLike, logits: ArrayLike) -> float:
    """T > 0 for which softmax(logits / T) has the smallest mean cross entropy.

    Found on validation and used on other data. Answers do not change, only how sure they are: above
    1 less. The search ends at 1/50 and 50, where all answers are right or all are useless.

    Args:
        y_true: [n] class numbers.
        logits: [n, classes], finite.

    Raises:
        DatasetError: as of `reliability`.
    """
    true, given = _checked(y_true, logits)

    def cross_entropy(logarithm: float) -> float:
        scaled = given / np.exp(logarithm)
        chosen = np.take_along_axis(scaled, true[:, None], axis=1)[:, 0]
        return float((special.logsumexp(scaled, axis=1) - chosen).mean())

    # Convex in 1 / T, so that there is one minimum.
    found = optimize.minimize_scalar(
        cross_entropy, bounds=(-_LIMIT, _LIMIT), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def _checked(y_true: ArrayLike, logits: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    true, given = np.asarray(y_true, np.int64), np.asarray(logits, np.float64)
    if given.ndim != 2 or true.shape != given.shape[:1] or not len(true):
        received = (true.shape, given.shape)
        raise DatasetError(expected_received("Labels and logits", "[n] and [n, classes]", received))
    return true, given
