"""Total accuracy, weighted and macro F1 for expressions and Action Units (paper Section IV-D).

The counting is scikit-learn's; this module fixes the conventions. A class that
has neither a label nor a prediction has F1 0 where it is counted at all.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import f1_score

from kaffect.errors import DatasetError


def _pair(y_true: ArrayLike, y_pred: ArrayLike, rank: int) -> tuple[NDArray, NDArray]:
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    if true.shape != pred.shape or true.ndim != rank:
        shape = "[n]" if rank == 1 else "[n, units]"
        raise ValueError(
            f"Labels and predictions must both be {shape}. Received: {true.shape} and {pred.shape}"
        )
    if not true.shape[0]:
        raise DatasetError("Score of no frames: at least one frame with a label is needed")
    return true, pred


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Total accuracy: the share of frames that are right.

    Args:
        y_true: [n], class numbers.
        y_pred: [n], class numbers.

    Returns:
        In [0, 1].

    Raises:
        ValueError: other shapes.
        DatasetError: there is no frame.
    """
    true, pred = _pair(y_true, y_pred, 1)
    return float(np.mean(true == pred))


def f1(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    average: Literal["macro", "weighted"] = "macro",
    classes: int | None = None,
) -> float:
    """F1 score of class numbers, averaged over the classes.

    Args:
        y_true: [n], class numbers.
        y_pred: [n], class numbers.
        average: `macro` (unweighted mean) or `weighted` (by the number of labels of each class).
        classes: `None` averages over the classes that occur in labels or predictions, as
            scikit-learn does; a number averages over all of 0..classes-1, as the challenges of
            the Aff-Wild2 releases do, and an absent class then counts as 0. `weighted` is the
            same either way.

    Returns:
        In [0, 1].

    Raises:
        ValueError: other shapes.
        DatasetError: there is no frame.
    """
    true, pred = _pair(y_true, y_pred, 1)
    labels = None if classes is None else np.arange(classes)
    return float(f1_score(true, pred, labels=labels, average=average, zero_division=0.0))


def f1_per_class(y_true: ArrayLike, y_pred: ArrayLike, classes: int) -> NDArray[np.float64]:
    """F1 of each of the classes 0..classes-1; 0 for one that never occurs.

    Args:
        y_true: [n], class numbers.
        y_pred: [n], class numbers.
        classes: their number.

    Returns:
        [classes], in [0, 1].

    Raises:
        ValueError: other shapes.
        DatasetError: there is no frame.
    """
    true, pred = _pair(y_true, y_pred, 1)
    scores = f1_score(true, pred, labels=np.arange(classes), average=None, zero_division=0.0)
    return np.asarray(scores, np.float64)


def _binary(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    true, pred = _pair(y_true, y_pred, 2)
    for name, values in (("Labels", true), ("Predictions", pred)):
        if not np.isin(values, (0, 1)).all():
            raise ValueError(f"{name} of Action Units must be 0 or 1; masked frames are left out")
    return true.astype(bool), pred.astype(bool)


def au_f1(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Binary F1 of each Action Unit; 0 for one that is never labelled and never predicted.

    Args:
        y_true: [n, units], labels of 0 and 1.
        y_pred: [n, units], decisions of 0 and 1.

    Returns:
        [units], in [0, 1].

    Raises:
        ValueError: other shapes, or values other than 0 and 1.
        DatasetError: there is no frame.
    """
    true, pred = _binary(y_true, y_pred)
    columns = range(true.shape[1])
    scores = [
        f1_score(true[:, i], pred[:, i], average="binary", pos_label=True, zero_division=0.0)
        for i in columns
    ]
    return np.asarray(scores, np.float64)


def au_f1_macro(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean over the units of `au_f1` (the paper's macro F1), in [0, 1].

    Args:
        y_true: [n, units], labels of 0 and 1.
        y_pred: [n, units], decisions of 0 and 1.
    """
    return float(au_f1(y_true, y_pred).mean())


def au_f1_weighted(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean of `au_f1` weighted by how often each unit is labelled, in [0, 1]; 0 if none ever is.

    Args:
        y_true: [n, units], labels of 0 and 1.
        y_pred: [n, units], decisions of 0 and 1.
    """
    scores = au_f1(y_true, y_pred)
    support = np.asarray(y_true).astype(bool).sum(axis=0)
    return float(scores @ support / support.sum()) if support.any() else 0.0


def au_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Total accuracy of Action Units, element-wise: the share of all n x units entries right.

    Args:
        y_true: [n, units], labels of 0 and 1.
        y_pred: [n, units], decisions of 0 and 1.
    """
    true, pred = _binary(y_true, y_pred)
    return float(np.mean(true == pred))


def au_exact_match(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of frames of which every unit is right.

    Args:
        y_true: [n, units], labels of 0 and 1.
        y_pred: [n, units], decisions of 0 and 1.
    """
    true, pred = _binary(y_true, y_pred)
    return float(np.mean((true == pred).all(axis=1)))
