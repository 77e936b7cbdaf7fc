"""CCC (paper Eq. 5) and MSE over a whole set (Section IV-D), in NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kaffect.errors import DatasetError


def ccc(y_true: ArrayLike, y_pred: ArrayLike) -> float | NDArray[np.float64]:
    """CCC of all frames together, with population moments (1/N), in float64.

    Convention: where labels or predictions are constant (a single frame
    included) the covariance is 0 and so is the CCC, even if both are the same
    constant and Eq. 5 reads 0/0. A value that is not finite makes the result NaN.

    Args:
        y_true: [n] or [n, d], labels, any unit.
        y_pred: predictions of the same shape and unit.

    Returns:
        In [-1, 1]: a float for [n], an array [d] for [n, d].

    Raises:
        DatasetError: there is no frame.
        ValueError: the shapes differ, or are neither [n] nor [n, d].

    >>> ccc([0.0, 0.5, 1.0], [0.0, 0.5, 1.0])
    1.0
    """
    true = np.asarray(y_true, np.float64)
    pred = np.asarray(y_pred, np.float64)
    if true.shape != pred.shape or true.ndim not in (1, 2):
        raise ValueError(
            "ccc takes labels and predictions of one shape, [n] or [n, d]. "
            f"Received: {true.shape} and {pred.shape}"
        )
    if not true.shape[0]:
        raise DatasetError("CCC of no frames: at least one frame with a label is needed")
    # Taking the first frame off makes the deviations of a constant exactly 0;
    # without it, 0.1 against 0.1 can come out as anything between -1 and 1.
    shifted_true, shifted_pred = true - true[0], pred - pred[0]
    true_deviation = shifted_true - shifted_true.mean(axis=0)
    pred_deviation = shifted_pred - shifted_pred.mean(axis=0)
    bias = shifted_true.mean(axis=0) - shifted_pred.mean(axis=0) + (true[0] - pred[0])
    covariance = (true_deviation * pred_deviation).mean(axis=0)
    spread = (true_deviation**2).mean(axis=0) + (pred_deviation**2).mean(axis=0) + bias**2
    result = 2.0 * covariance / np.where(spread == 0.0, 1.0, spread)
    return float(result) if true.ndim == 1 else result


def mse(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Mean squared error of each column, in float64.

    Args:
        y_true: [n] or [n, d], labels, any unit.
        y_pred: predictions of the same shape and unit.

    Returns:
        >= 0, the unit squared: a scalar for [n], [d] for [n, d].
    """
    errors = np.asarray(y_true, np.float64) - np.asarray(y_pred)
    return np.asarray(np.mean(errors**2, axis=0))


def ccc_per_video(
    y_true: ArrayLike, y_pred: ArrayLike, video: Sequence[int] | NDArray[np.integer]
) -> float | NDArray[np.float64]:
    """Mean over the videos of each video's own CCC.

    Reported beside the CCC of the whole set, never instead of it: a video in
    which the label hardly moves gets a CCC near 0 whatever is predicted.

    Args:
        y_true: [n] or [n, d], labels, any unit.
        y_pred: predictions of the same shape and unit.
        video: [n], whole numbers, the video of each frame.

    Returns:
        In [-1, 1]: a float for [n], an array [d] for [n, d].

    Raises:
        DatasetError: there is no frame.
    """
    true, pred, names = np.asarray(y_true), np.asarray(y_pred), np.asarray(video)
    if not names.size:
        raise DatasetError("CCC of no frames: at least one frame with a label is needed")
    each = [ccc(true[names == name], pred[names == name]) for name in np.unique(names)]
    mean = np.mean(np.asarray(each), axis=0)
    return float(mean) if true.ndim == 1 else mean
