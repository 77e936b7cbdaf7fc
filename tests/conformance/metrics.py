"""Every score by its definition: counts and sums in NumPy, for tests/conformance/test_metrics.py.

A new metric needs an entry here; tests/conformance/test_registries.py names one that is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, mean_squared_error

from kaffect import metrics

CLASSES = 8


def _concordance(x: np.ndarray, y: np.ndarray) -> float:
    """Eq. 5 in Lin's other form: 1 - E[(x - y)^2] / (var x + var y + bias^2); 0 for a constant."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = np.asarray(x, np.longdouble), np.asarray(y, np.longdouble)
    return float(1 - np.mean((x - y) ** 2) / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def ccc(true: np.ndarray, pred: np.ndarray) -> np.ndarray:
    return np.array([_concordance(x, y) for x, y in zip(true.T, pred.T, strict=True)])


def _f1(true: np.ndarray, pred: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN) of two columns of booleans; 0 where nothing is counted."""
    counted = true.sum() + pred.sum()
    return 2 * (true & pred).sum() / counted if counted else 0.0


def f1_by_class(true: np.ndarray, pred: np.ndarray, classes: int = CLASSES) -> np.ndarray:
    return np.array([_f1(true == label, pred == label) for label in range(classes)])


def f1_by_unit(true: np.ndarray, pred: np.ndarray) -> np.ndarray:
    columns = zip(true.T == 1, pred.T == 1, strict=True)
    return np.array([_f1(x, y) for x, y in columns])


def _weighted(scores: np.ndarray, support: np.ndarray) -> float:
    return float(scores @ support / support.sum()) if support.any() else 0.0


def _f1_weighted(true: np.ndarray, pred: np.ndarray) -> float:
    return _weighted(f1_by_class(true, pred), np.bincount(true, minlength=CLASSES))


def _f1_occurring(true: np.ndarray, pred: np.ndarray) -> float:
    return float(f1_by_class(true, pred)[np.union1d(true, pred)].mean())


def _element_accuracy(true: np.ndarray, pred: np.ndarray) -> float:
    return accuracy_score(true.ravel(), pred.ravel())


def _challenge_expression(true: np.ndarray, pred: np.ndarray) -> float:
    return 0.67 * f1_by_class(true, pred).mean() + 0.33 * accuracy_score(true, pred)


def _challenge_au(true: np.ndarray, pred: np.ndarray) -> float:
    return 0.5 * f1_by_unit(true, pred).mean() + 0.5 * _element_accuracy(true, pred)


Oracle = Callable[[np.ndarray, np.ndarray], Any]

# Names of `kaffect.metrics.METRICS`.
ORACLES: dict[str, Oracle] = {
    "ccc": ccc,
    "mse": lambda y, p: mean_squared_error(y, p, multioutput="raw_values"),
    "accuracy": accuracy_score,
    "f1_weighted": _f1_weighted,
    "f1_macro": _f1_occurring,
    "f1_macro_all": lambda y, p: f1_by_class(y, p).mean(),
    "au_f1_weighted": lambda y, p: _weighted(f1_by_unit(y, p), y.sum(axis=0)),
    "au_f1_macro": lambda y, p: f1_by_unit(y, p).mean(),
    "au_accuracy": _element_accuracy,
    "au_exact_match": accuracy_score,  # of label sets: the share of rows that are right
}
# The other public functions of labels and predictions: task, function, oracle.
OTHERS: dict[str, tuple[str, Oracle, Oracle]] = {
    "p_va": ("va", metrics.p_va, lambda y, p: ccc(y, p).mean()),
    "p_expr": ("expression", metrics.p_expr, ORACLES["f1_macro_all"]),
    "p_au": ("au", metrics.p_au, ORACLES["au_f1_macro"]),
    "f1_per_class": (
        "expression", lambda y, p: metrics.f1_per_class(y, p, CLASSES), f1_by_class
    ),
    "au_f1": ("au", metrics.au_f1, f1_by_unit),
    "abaw1_expression": (
        "expression", lambda y, p: metrics.abaw1_expression(y, p, CLASSES), _challenge_expression
    ),
    "abaw1_au": ("au", metrics.abaw1_au, _challenge_au),
}  # fmt: skip
