"""How far annotators agree (paper Section III-C, III-D): Fleiss' kappa and intraclass correlation.

The paper keeps what all three experts agree on; these figures say how much that is.
Concordance between two annotators is `kaffect.metrics.ccc`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kaffect.errors import DatasetError, expected_received


def fleiss_kappa(counts: ArrayLike) -> float:
    """Agreement beyond chance of the same number of raters over nominal classes.

    Fleiss, "Measuring nominal scale agreement among many raters", 1971. With n raters,
    P_i = (sum_j n_ij^2 - n) / (n (n - 1)) and chance agreement P_e = sum_j p_j^2,
    kappa = (mean P_i - P_e) / (1 - P_e).

    Args:
        counts: [frames, classes] whole numbers: how many raters gave frame i class j.

    Returns:
        1 for full agreement, 0 for chance, below 0 for less; NaN where it is not defined:
        without frames, or where all ratings are of one class.

    Raises:
        DatasetError: rows that do not all have the same number of raters, or fewer than two.
    """
    table = np.asarray(counts, np.float64)
    if table.ndim != 2 or (table < 0).any():
        raise DatasetError(expected_received("Counts", "[frames, classes] >= 0", table.shape))
    if not len(table):
        return float("nan")
    raters = table.sum(axis=1)
    n = float(raters[0])
    if n < 2 or (raters != n).any():
        received = sorted(set(raters.tolist()))
        raise DatasetError(expected_received("Raters of each frame", "one number >= 2", received))
    observed = float(((table**2).sum(axis=1) - n).mean() / (n * (n - 1)))
    shares = table.sum(axis=0) / table.sum()
    chance = float((shares**2).sum())
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")


def rating_counts(ratings: ArrayLike, classes: int) -> np.ndarray:
    """How many raters gave each frame each class: the input of `fleiss_kappa`.

    Args:
        ratings: [raters, frames], class numbers 0..classes-1.
        classes: their number.

    Returns:
        [frames, classes], whole numbers from 0 to the number of raters.
    """
    values = np.asarray(ratings)
    return np.stack([(values == c).sum(axis=0) for c in range(classes)], axis=1)


def icc(ratings: ArrayLike) -> dict[str, float]:
    """Intraclass correlation of single ratings, two-way model (Shrout and Fleiss 1979).

    Args:
        ratings: [frames, raters], every frame rated by each.

    Returns:
        'absolute': ICC(2,1), how far raters give the same values; 'consistency': ICC(3,1),
        how far they do up to a constant of each rater. NaN where it is not defined: fewer
        than two frames or raters, or all ratings equal.
    """
    values = np.asarray(ratings, np.float64)
    if values.ndim != 2:
        raise DatasetError(expected_received("Ratings", "[frames, raters]", values.shape))
    n, k = values.shape
    undefined = {"absolute": float("nan"), "consistency": float("nan")}
    if n < 2 or k < 2:
        return undefined
    mean = values.mean()
    frames = k * ((values.mean(axis=1) - mean) ** 2).sum() / (n - 1)
    raters = n * ((values.mean(axis=0) - mean) ** 2).sum() / (k - 1)
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + mean
    error = (rest**2).sum() / ((n - 1) * (k - 1))
    consistency = frames + (k - 1) * error
    absolute = consistency + k * (raters - error) / n
    if consistency <= 0 or absolute <= 0:
        return undefined
    return {
        "absolute": float((frames - error) / absolute),
        "consistency": float((frames - error) / consistency),
    }


def evaluator_weights(ratings: ArrayLike) -> np.ndarray:
    """How much each rater counts in the evaluator-weighted mean (Grimm and Kroschel 2005).

    The weight of a rater is the correlation of their ratings with the mean of all raters;
    who follows it inversely counts nothing.

    Args:
        ratings: [frames, raters], every frame rated by each.

    Returns:
        [raters] weights that sum to 1; equal ones where no correlation is above 0.
    """
    values = np.asarray(ratings, np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise DatasetError(expected_received("Ratings", "[frames, raters]", values.shape))
    own = values - values.mean(axis=0) if len(values) else values
    mean = own.mean(axis=1)
    scale = np.sqrt((own**2).sum(axis=0) * (mean**2).sum())
    products = (own * mean[:, None]).sum(axis=0)
    weights = np.maximum(np.where(scale > 1e-12, products / np.maximum(scale, 1e-12), 0), 0)
    if weights.sum() <= 0:
        return np.full(values.shape[1], 1 / values.shape[1])
    return weights / weights.sum()
