"""The criteria of Section IV-D as functions of sums over frames (`kaffect.metrics.sums`).

Every function takes additive sums with any leading axes, [..., n, c] -> [...], n the columns,
classes or units and c as in `COLUMNS`; moments are about one origin. The conventions are those
of `kaffect.metrics.concordance` and `kaffect.metrics.classification`.
"""

from __future__ import annotations

import numpy as np

from kaffect.metrics.sums import Floats

# A variance below this share of the mean square about the common origin is rounding.
_ROUNDING = 1e-12


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """numerator / denominator, and 0 where the denominator is 0."""
    empty = denominator == 0
    return np.where(empty, 0.0, numerator / np.where(empty, 1.0, denominator))


def _central(sums: Floats) -> tuple[Floats, ...]:
    """Means, population variances and covariance; a variance of rounding size is 0."""
    frames, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    mean_x, mean_y = x / frames, y / frames
    var_x, var_y = xx / frames - mean_x**2, yy / frames - mean_y**2
    var_x = np.where(var_x <= _ROUNDING * (xx / frames), 0.0, var_x)
    var_y = np.where(var_y <= _ROUNDING * (yy / frames), 0.0, var_y)
    constant = (var_x == 0) | (var_y == 0)
    return mean_x, mean_y, var_x, var_y, np.where(constant, 0.0, xy / frames - mean_x * mean_y)


def concordance_of_sums(sums: Floats) -> Floats:
    """Mean over the columns of the CCC (Eq. 5), in [-1, 1]; 0 for a constant.

    Args:
        sums: [..., d, 6], additive moments of d columns about one origin.

    Returns:
        [...].
    """
    mean_x, mean_y, var_x, var_y, covariance = _central(sums)
    spread = var_x + var_y + (mean_x - mean_y) ** 2
    return _ratio(2.0 * covariance, spread).mean(axis=-1)


def squared_error_of_sums(sums: Floats) -> Floats:
    """Mean over the columns of the mean squared error.

    Args:
        sums: [..., d, 6], additive moments of d columns about one origin.

    Returns:
        [...], >= 0.
    """
    frames, _, _, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return np.maximum((xx - 2.0 * xy + yy) / frames, 0.0).mean(axis=-1)


def accuracy_of_sums(sums: Floats) -> Floats:
    """Share of the frames that are right.

    Args:
        sums: [..., classes, 3], counts: hits, labelled, predicted.

    Returns:
        [...], in [0, 1].
    """
    return sums[..., 0].sum(axis=-1) / sums[..., 1].sum(axis=-1)


def f1_of_sums(sums: Floats) -> Floats:
    """F1 of each class or unit; 0 where it is never labelled and never predicted.

    Args:
        sums: [..., n, 3], counts: hits, labelled, predicted.

    Returns:
        [..., n], in [0, 1].
    """
    return _ratio(2.0 * sums[..., 0], sums[..., 1] + sums[..., 2])


def f1_of_occurring_classes(sums: Floats) -> Floats:
    """Mean F1 of the classes that are labelled or predicted.

    Args:
        sums: [..., classes, 3], counts: hits, labelled, predicted.

    Returns:
        [...], in [0, 1].
    """
    occurs = (sums[..., 1] + sums[..., 2]) > 0
    return f1_of_sums(sums).sum(axis=-1) / occurs.sum(axis=-1)


def f1_weighted_of_sums(sums: Floats) -> Floats:
    """Mean F1 weighted by how often each class or unit is labelled; 0 if none is.

    Args:
        sums: [..., n, 3], counts: hits, labelled, predicted.

    Returns:
        [...], in [0, 1].
    """
    labelled = sums[..., 1]
    return _ratio((f1_of_sums(sums) * labelled).sum(axis=-1), labelled.sum(axis=-1))


def unit_accuracy_of_sums(sums: Floats) -> Floats:
    """Share of all entries of the units that are right.

    Args:
        sums: [..., units, 4], counts: frames, hits, labelled, predicted.

    Returns:
        [...], in [0, 1].
    """
    frames, hits, labelled, predicted = np.moveaxis(sums, -1, 0)
    wrong = labelled + predicted - 2.0 * hits
    return 1.0 - wrong.sum(axis=-1) / frames.sum(axis=-1)
