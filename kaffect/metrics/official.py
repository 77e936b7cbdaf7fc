"""The criteria of the Aff-Wild2 challenges (second study, Eq. 1-3): P_VA, P_EXPR, P_AU, P_MTL.

All over the labelled frames of a whole set together. The first two challenges (ABAW-1
and 2) weighed F1 and accuracy instead; theirs are here as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kaffect.metrics.classification import accuracy, au_accuracy, au_f1_macro, f1
from kaffect.metrics.concordance import ccc


def p_va(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Eq. 1: mean of the concordance of valence and of arousal, in [-1, 1].

    Args:
        y_true: [n, 2], labels in [-1, 1].
        y_pred: [n, 2], predictions.
    """
    return float(np.mean(ccc(np.asarray(y_true), np.asarray(y_pred))))


def p_expr(y_true: ArrayLike, y_pred: ArrayLike, classes: int = 8) -> float:
    """Eq. 2: F1 averaged over all classes, also absent ones, in [0, 1].

    Args:
        y_true: [n], class numbers.
        y_pred: [n], class numbers.
        classes: their number.
    """
    return f1(y_true, y_pred, "macro", classes)


def p_au(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Eq. 3: F1 averaged over the units, in [0, 1].

    Args:
        y_true: [n, units], labels of 0 and 1.
        y_pred: [n, units], decisions of 0 and 1.
    """
    return au_f1_macro(y_true, y_pred)


def p_mtl(va: float, expression: float, au: float) -> float:
    """The multi-task criterion: the sum of the three, in [-1, 3]."""
    return va + expression + au


def abaw1_expression(y_true: ArrayLike, y_pred: ArrayLike, classes: int = 7) -> float:
    """ABAW-1 and 2: 0.67 F1 (macro, over all classes) + 0.33 accuracy, in [0, 1].

    Args:
        y_true: [n], class numbers.
        y_pred: [n], class numbers.
        classes: their number.
    """
    return abaw1_expression_of(f1(y_true, y_pred, "macro", classes), accuracy(y_true, y_pred))


def abaw1_expression_of(macro_f1: float, right: float) -> float:
    """The same from the F1 and the share that is right, where both are known already."""
    return 0.67 * macro_f1 + 0.33 * right


def abaw1_au(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """ABAW-1 and 2: half mean F1 over the units, half accuracy over all entries, in [0, 1].

    Args:
        y_true: [n, units], labels of 0 and 1.
        y_pred: [n, units], decisions of 0 and 1.
    """
    return abaw1_au_of(au_f1_macro(y_true, y_pred), au_accuracy(y_true, y_pred))


def abaw1_au_of(macro_f1: float, right: float) -> float:
    """The same from the F1 and the share that is right, where both are known already."""
    return 0.5 * macro_f1 + 0.5 * right
