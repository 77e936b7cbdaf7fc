"""Columns of Tables A1 to A5: criteria by two formulas, units of the data, validation losses."""

from __future__ import annotations

import pytest

from kaffect.labels import ACTION_UNIT_NAMES, ACTION_UNITS_8, ACTION_UNITS_12
from kaffect.studies.finding import find_trained
from kaffect.studies.framewise.criteria import (
    epochs_to_95_percent,
    legend,
    shown_metrics,
    with_columns,
    with_criteria,
)
from kaffect.studies.report.metrics import METRICS

A2 = find_trained("A2").metrics
A4 = find_trained("A4").metrics


def f1(units: tuple[str, ...]) -> list[str]:
    return [f"f1_{unit.lower()}" for unit in units]


def test_every_unit_of_the_data_has_its_column() -> None:
    """Beside those that the study prints, in the order of their numbers."""
    printed = {"p_au", *f1(ACTION_UNITS_12)}
    assert shown_metrics(A2, printed) == ("p_au", *f1(ACTION_UNITS_12))
    eight = shown_metrics(A2, printed | {"au_accuracy", *f1(ACTION_UNITS_8)})
    assert "f1_au20" in eight and len(eight) == 1 + 13 + 1
    assert eight[8:11] == ("f1_au15", "f1_au20", "f1_au23") and eight[-1] == "au_accuracy"
    own = shown_metrics(A2, {"p_au", "f1_au17", "f1_au5", "f1_au9", "epochs"})
    assert own == ("p_au", "f1_au5", "f1_au9", "f1_au17", "epochs")
    assert set(f1(tuple(ACTION_UNIT_NAMES))) <= METRICS.keys()
    assert not any(name.startswith("f1_au") for name in shown_metrics(A4, printed | set(A4)))


def test_the_first_challenge_s_formulas_as_columns() -> None:
    known = {*A4, "abaw1_expr", "abaw1_au"}
    assert shown_metrics(A4, known) == A4
    found = shown_metrics(A4, known, "abaw1")
    assert found[:3] == ("p_va", "abaw1_expr", "abaw1_au") and not {"p_expr", "p_mtl"} & {*found}
    assert {*found} <= METRICS.keys()
    assert "0.67 F1 + 0.33 accuracy" in legend(found)[0] and "P_MTL" not in legend(found)[0]
    assert "P_MTL: their sum" in legend(A4)[0] and "ABAW" not in legend(A4)[0]


def test_criteria_of_a_baseline() -> None:
    found = with_criteria({
        "ccc_valence": 0.2, "ccc_arousal": 0.4, "f1_macro_all": 0.1, "accuracy": 0.5,
        "au_f1_macro": 0.3, "au_accuracy": 0.8,
    })  # fmt: skip
    assert found["p_va"] == pytest.approx(0.3) and found["p_mtl"] == pytest.approx(0.7)
    assert found["abaw1_expr"] == pytest.approx(0.067 + 0.165)
    assert found["abaw1_au"] == pytest.approx(0.55)
    assert with_criteria({"au_f1_macro": 0.0, "au_accuracy": 1.0})["abaw1_au"] == 0.5
    # One that was recorded before has them too.
    recorded = {"row": "constant", "metrics": {"f1_macro_all": 0.1, "accuracy": 0.5}}
    assert with_columns(recorded)["metrics"]["abaw1_expr"] == pytest.approx(0.232)


def test_losses_and_epochs_stand_beside_the_scores() -> None:
    validation = {"score": 1.0, "loss_expression": 0.02, "loss_action_units": 0.5}
    run = {
        "row": 3, "metrics": {"p_expr": 0.4}, "validation": validation,
        "epochs_to_95_percent": 2.5, "config": {"data": {"scored": "all"}},
    }  # fmt: skip
    found = with_columns(run)
    assert found["metrics"] == {"p_expr": 0.4, "epochs": 2.5, "loss_expr": 0.02, "loss_au": 0.5}
    assert found["validation"] == validation and run["metrics"] == {"p_expr": 0.4}
    # Scored on other frames than the rest: it cannot be the best of the table.
    few = with_columns({**run, "config": {"data": {"scored": "next"}}})
    assert few["validation"] == {} and few["metrics"]["loss_expr"] == 0.02


@pytest.mark.parametrize(
    "scores,epochs",
    [
        ([0.20, 0.37, 0.39, 0.40, 0.30], 3.0),  # 0.38 is 95 % of 0.40
        ([0.39, 0.37, 0.40], 1.0),
        ([0.40], 1.0),
        ([0.0, 0.0, 0.2], 3.0),
        ([-0.3, -0.1, -0.2], 2.0),  # nothing is gained: the best pass itself
    ],
)
def test_epochs_until_the_score_had_most_of_its_best(scores: list[float], epochs: float) -> None:
    history = [{"step": 10 * n, "validation": {"score": s}} for n, s in enumerate(scores, 1)]
    assert epochs_to_95_percent(history, 10) == epochs
    # Counted in epochs of the data, which a run of few updates has parts of.
    assert epochs_to_95_percent(history, 40) == round(epochs / 4, 2)
