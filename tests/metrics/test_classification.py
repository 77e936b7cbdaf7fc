"""Accuracy and F1 against counts by hand and in NumPy, and Keras' F1 beside them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kaffect.errors import DatasetError
from kaffect.metrics import (
    accuracy,
    au_accuracy,
    au_exact_match,
    au_f1,
    au_f1_macro,
    au_f1_weighted,
    f1,
)


def class_f1(y_true, y_pred, label: int) -> float:
    """F1 by its definition, 2 TP / (2 TP + FP + FN); 0 where nothing is counted."""
    hits = np.sum((y_true == label) & (y_pred == label))
    counted = np.sum(y_true == label) + np.sum(y_pred == label)
    return 2 * hits / counted if counted else 0.0


def test_hand_worked_example() -> None:
    # Class 0: TP 2, FN 1, FP 0 -> 4/5. Class 1: TP 1, FP 1, FN 0 -> 2/3. Class 2: right -> 1.
    y_true, y_pred = [0, 0, 0, 1, 2], [0, 0, 1, 1, 2]
    assert accuracy(y_true, y_pred) == 0.8
    assert f1(y_true, y_pred, "macro") == pytest.approx((4 / 5 + 2 / 3 + 1) / 3)
    assert f1(y_true, y_pred, "weighted") == pytest.approx((3 * 4 / 5 + 2 / 3 + 1) / 5)
    assert f1(y_true, y_pred, "macro", classes=7) == pytest.approx((4 / 5 + 2 / 3 + 1) / 7)
    assert f1(y_true, y_pred, "weighted", classes=7) == f1(y_true, y_pred, "weighted")


def test_predicted_class_without_labels_counts() -> None:
    assert f1([0, 0, 0], [0, 0, 1], "macro") == pytest.approx((4 / 5 + 0) / 2)


def test_keras_macro_f1_counts_absent_classes() -> None:
    labels = np.array([0, 1, 2, 0, 1, 2])
    one_hot = np.eye(7, dtype=np.float32)[labels]
    theirs = keras.metrics.F1Score(average="macro")
    theirs.update_state(one_hot, one_hot)
    assert float(theirs.result()) == pytest.approx(3 / 7, abs=1e-5)
    assert f1(labels, labels, "macro") == 1.0
    assert f1(labels, labels, "macro", classes=7) == pytest.approx(3 / 7)


UNITS_TRUE = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]])
UNITS_PRED = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]])


def test_action_units_by_hand() -> None:
    # AU a: TP 2, FN 1 -> 4/5. AU b: TP 1, FP 1 -> 2/3. AU c never occurs -> 0.
    np.testing.assert_allclose(au_f1(UNITS_TRUE, UNITS_PRED), [4 / 5, 2 / 3, 0])
    assert au_f1_macro(UNITS_TRUE, UNITS_PRED) == pytest.approx((4 / 5 + 2 / 3) / 3)
    assert au_f1_weighted(UNITS_TRUE, UNITS_PRED) == pytest.approx((3 * 4 / 5 + 2 / 3) / 4)
    assert au_accuracy(UNITS_TRUE, UNITS_PRED) == pytest.approx(10 / 12)
    assert au_exact_match(UNITS_TRUE, UNITS_PRED) == pytest.approx(2 / 4)


def test_nothing_labelled_or_predicted() -> None:
    nothing = np.zeros((5, 8), int)
    assert au_f1_macro(nothing, nothing) == 0.0
    assert au_f1_weighted(nothing, nothing) == 0.0
    assert au_accuracy(nothing, nothing) == 1.0


def test_missing_marks_are_refused() -> None:
    marked = UNITS_TRUE.copy()
    marked[0] = -1
    with pytest.raises(ValueError, match="Labels of Action Units must be 0 or 1"):
        au_f1_macro(marked, UNITS_PRED)
    with pytest.raises(ValueError, match="Predictions of Action Units must be 0 or 1"):
        au_accuracy(UNITS_TRUE, UNITS_PRED * 0.5)
    with pytest.raises(DatasetError, match="at least one frame"):
        accuracy([], [])
    with pytest.raises(ValueError, match=r"must both be \[n\]"):
        f1(UNITS_TRUE, UNITS_PRED)
