"""The criteria of Section IV-D under the names that results, reports and baselines share.

Each function takes the labels of all frames of a set with their mask, and
gives an empty dict where no frame carries the label: nothing is scored then,
which is not a score of 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kaffect.metrics.classification import (
    accuracy,
    au_accuracy,
    au_exact_match,
    au_f1_macro,
    au_f1_weighted,
    f1,
)
from kaffect.metrics.concordance import ccc, ccc_per_video

VA_KEYS = ("ccc_valence", "ccc_arousal")
EXPRESSION_KEYS = ("accuracy", "f1_weighted", "f1_macro")
_VA = tuple(enumerate(("valence", "arousal")))
AU_KEYS = ("au_f1_weighted", "au_f1_macro", "au_accuracy", "au_exact_match")


def _labelled(y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None) -> tuple:
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    chosen = np.ones(len(true), bool) if mask is None else np.asarray(mask, bool)
    return true[chosen], pred[chosen], chosen


def va_scores(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    mask: ArrayLike | None = None,
    video: NDArray[np.integer] | None = None,
) -> dict[str, float]:
    """CCC and MSE of valence and arousal.

    Args:
        y_true: [n, 2].
        y_pred: [n, 2].
        mask: [n], True where labelled.
        video: [n], the video of each frame; adds the means of the per-video CCCs.

    Returns:
        `ccc_valence`, `ccc_arousal`, `mse_valence`, `mse_arousal` and, with `video`,
        `ccc_valence_per_video`, `ccc_arousal_per_video`.
    """
    true, pred, chosen = _labelled(y_true, y_pred, mask)
    if not len(true):
        return {}
    values = {"ccc": np.asarray(ccc(true, pred))}
    values["mse"] = np.mean((true.astype(np.float64) - pred) ** 2, axis=0)
    scores = {f"{key}_{name}": float(v[i]) for key, v in values.items() for i, name in _VA}
    if video is not None:
        per_video = np.asarray(ccc_per_video(true, pred, np.asarray(video)[chosen]))
        scores.update({f"ccc_{name}_per_video": float(per_video[i]) for i, name in _VA})
    return scores


def expression_scores(
    y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None, classes: int = 7
) -> dict[str, float]:
    """Total accuracy and F1 scores of the expressions.

    Args:
        y_true: class numbers, [n].
        y_pred: class numbers, [n].
        mask: [n], True where labelled.
        classes: number of classes, for `f1_macro_all`.

    Returns:
        `accuracy`, `f1_weighted`, `f1_macro` (classes that occur) and `f1_macro_all` (all classes).
    """
    true, pred, _ = _labelled(y_true, y_pred, mask)
    if not len(true):
        return {}
    return {
        "accuracy": accuracy(true, pred),
        "f1_weighted": f1(true, pred, "weighted"),
        "f1_macro": f1(true, pred, "macro"),
        "f1_macro_all": f1(true, pred, "macro", classes),
    }


def au_scores(
    y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None
) -> dict[str, float]:
    """Scores of Action Units, from labels and decisions of 0 and 1.

    Args:
        y_true: [n, units].
        y_pred: [n, units], already thresholded.
        mask: [n], True where labelled.

    Returns:
        `au_f1_weighted`, `au_f1_macro`, `au_accuracy` (element-wise), `au_exact_match`.
    """
    true, pred, _ = _labelled(y_true, y_pred, mask)
    if not len(true):
        return {}
    return {
        "au_f1_weighted": au_f1_weighted(true, pred),
        "au_f1_macro": au_f1_macro(true, pred),
        "au_accuracy": au_accuracy(true, pred),
        "au_exact_match": au_exact_match(true, pred),
    }
