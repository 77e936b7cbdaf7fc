"""Criteria of the challenges and thresholds, on numbers worked out by hand and by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.metrics import f1_per_class, p_expr, p_mtl, p_va


def test_p_va_is_the_mean_of_two_concordances():
    true = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    # Valence is right (1), arousal its mirror image (-1).
    assert p_va(true, np.stack([true[:, 0], 1 - true[:, 1]], axis=1)) == pytest.approx(0.0)
    assert p_va(true, true) == pytest.approx(1.0)


def test_p_expr_counts_absent_classes():
    true, pred = [0, 0, 1, 2], [0, 1, 1, 2]
    # F1: 2/3, 2/3, 1 and five classes that never occur: 0.
    assert p_expr(true, pred) == pytest.approx((2 / 3 + 2 / 3 + 1) / 8)
    np.testing.assert_allclose(f1_per_class(true, pred, 4), [2 / 3, 2 / 3, 1, 0])


def test_p_mtl_is_the_sum():
    # The published joint result of ABAW-7's winner: 0.5580 + 0.4286 + 0.5420 = 1.5286.
    assert p_mtl(0.5420, 0.4286, 0.5580) == pytest.approx(1.5286)
