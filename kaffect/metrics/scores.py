"""The criteria of Section IV-D under the names that results, reports and baselines share.

Each function takes the labels of all frames of a set with their mask, and
gives an empty dict where no frame carries the label: nothing is scored then,
which is not a score of 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kaffect.metrics.concordance import ccc_per_video
from kaffect.metrics.registry import metrics_of

# What each task is compared by.
VA_KEYS = ("ccc_valence", "ccc_arousal")
EXPRESSION_KEYS = ("accuracy", "f1_weighted", "f1_macro")
AU_KEYS = ("au_f1_weighted", "au_f1_macro", "au_accuracy", "au_exact_match")
_DIMENSIONS = ("valence", "arousal")


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
        y_true: [n, 2], labels in [-1, 1].
        y_pred: [n, 2], predictions, unbounded.
        mask: [n], True where labelled; `None`: everywhere.
        video: [n], whole numbers, the video of each frame; adds the means of the per-video CCCs.

    Returns:
        `ccc_valence`, `ccc_arousal`, `mse_valence`, `mse_arousal` and, with `video`,
        `ccc_valence_per_video`, `ccc_arousal_per_video`.
    """
    true, pred, chosen = _labelled(y_true, y_pred, mask)
    if not len(true):
        return {}
    scores = {}
    for key, metric in metrics_of("va").items():
        values = np.asarray(metric.score(true, pred, None))
        scores.update({f"{key}_{name}": float(v) for name, v in zip(_DIMENSIONS, values)})
    if video is not None:
        per_video = np.asarray(ccc_per_video(true, pred, np.asarray(video)[chosen]))
        scores.update(
            {f"ccc_{name}_per_video": float(v) for name, v in zip(_DIMENSIONS, per_video)}
        )
    return scores


def expression_scores(
    y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None, classes: int = 7
) -> dict[str, float]:
    """Total accuracy and F1 scores of the expressions.

    Args:
        y_true: [n], class numbers 0..classes-1.
        y_pred: [n], class numbers.
        mask: [n], True where labelled; `None`: everywhere.
        classes: number of classes, for `f1_macro_all`.

    Returns:
        `accuracy`, `f1_weighted`, `f1_macro` (classes that occur) and `f1_macro_all` (all classes).
    """
    true, pred, _ = _labelled(y_true, y_pred, mask)
    if not len(true):
        return {}
    return {
        name: metric.score(true, pred, classes) for name, metric in metrics_of("expression").items()
    }


def au_scores(
    y_true: ArrayLike, y_pred: ArrayLike, mask: ArrayLike | None = None
) -> dict[str, float]:
    """Scores of Action Units, from labels and decisions of 0 and 1.

    Args:
        y_true: [n, units], labels of 0 and 1.
        y_pred: [n, units], decisions of 0 and 1 (already thresholded).
        mask: [n], True where labelled; `None`: everywhere.

    Returns:
        `au_f1_weighted`, `au_f1_macro`, `au_accuracy` (element-wise), `au_exact_match`.
    """
    true, pred, _ = _labelled(y_true, y_pred, mask)
    if not len(true):
        return {}
    return {name: metric.score(true, pred, None) for name, metric in metrics_of("au").items()}
