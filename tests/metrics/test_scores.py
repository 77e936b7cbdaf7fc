"""The shared metric names: what each holds, masks, and sets without labels."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.metrics import (
    AU_KEYS,
    EXPRESSION_KEYS,
    VA_KEYS,
    au_scores,
    ccc,
    ccc_per_video,
    expression_scores,
    va_scores,
)

GENERATOR = np.random.default_rng(0)
MASK = GENERATOR.random(50) < 0.6


def test_valence_and_arousal() -> None:
    y_true, y_pred = GENERATOR.uniform(-1, 1, (2, 50, 2))
    y_true[~MASK] = -5.0
    video = np.arange(50) // 10
    found = va_scores(y_true, y_pred, MASK, video)
    assert set(VA_KEYS) <= set(found)
    np.testing.assert_allclose([found[k] for k in VA_KEYS], ccc(y_true[MASK], y_pred[MASK]))
    assert found["mse_arousal"] == pytest.approx(np.mean((y_true - y_pred)[MASK, 1] ** 2))
    wanted = ccc_per_video(y_true[MASK], y_pred[MASK], video[MASK])
    assert found["ccc_valence_per_video"] == pytest.approx(wanted[0])


def test_expressions() -> None:
    y_true, y_pred = np.array([0, 1, 1, -1]), np.array([0, 1, 0, 3])
    found = expression_scores(y_true, y_pred, y_true >= 0)
    assert set(EXPRESSION_KEYS) <= set(found)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["f1_macro"] == pytest.approx(2 / 3)
    assert found["f1_macro_all"] == pytest.approx(4 / 3 / 7)


def test_action_units() -> None:
    y_true = np.array([[1, 0], [1, 1], [-1, -1]])
    found = au_scores(y_true, np.array([[1, 0], [0, 1], [1, 1]]), np.array([True, True, False]))
    assert set(found) == set(AU_KEYS)
    assert found["au_f1_macro"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["au_accuracy"] == pytest.approx(3 / 4)
    assert found["au_exact_match"] == pytest.approx(1 / 2)


def test_sets_without_labels_are_not_scored() -> None:
    nothing = np.zeros(3, bool)
    assert va_scores(np.zeros((3, 2)), np.zeros((3, 2)), nothing) == {}
    assert expression_scores(np.zeros(3, int), np.zeros(3, int), nothing) == {}
    assert au_scores(np.zeros((3, 8)), np.zeros((3, 8)), nothing) == {}
