"""Scores of the second study on a set of frames, against the functions they are made of."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.data.prepared.records import Scoring
from kaffect.labels import AFF_WILD2
from kaffect.metrics import best_logit_thresholds, f1_per_class, p_au, p_expr, p_va
from kaffect.studies.framewise.scores import score_frames
from kaffect.studies.scoring import thresholds_for


@pytest.fixture
def case():
    """Rows 10 to 29; every source frame takes the prediction of its own row, some twice."""
    rng = np.random.default_rng(0)
    rows = np.arange(10, 30)
    row = np.sort(rng.choice(rows, 26))
    count = len(row)
    scoring = Scoring(
        row=row,
        track=np.zeros(count, np.int32),
        source_frame=np.arange(count, dtype=np.int32),
        time=np.arange(count) / 30,
        valence_arousal=rng.uniform(-1, 1, (count, 2)).astype("float32"),
        va_valid=rng.random(count) < 0.8,
        expression=rng.integers(0, 8, count).astype("int32"),
        expression_valid=rng.random(count) < 0.7,
        action_units=(rng.random((count, 12)) < 0.3).astype("int8"),
        au_valid=rng.random(count) < 0.7,
    )
    answers = {
        "valence_arousal": rng.standard_normal((20, 2)),
        "expression_logits": rng.standard_normal((20, 8)),
        "action_unit_logits": rng.standard_normal((20, 12)),
    }
    return answers, rows, scoring


def test_criteria_over_the_labelled_frames(case):
    answers, rows, scoring = case
    found = score_frames(answers, rows, scoring, ("va", "expression", "au"), AFF_WILD2)
    at = {name: values[scoring.row - 10] for name, values in answers.items()}
    va, ex, au = scoring.va_valid, scoring.expression_valid, scoring.au_valid
    decided = at["expression_logits"].argmax(axis=1)[ex]
    expected = {
        "p_va": p_va(scoring.valence_arousal[va], at["valence_arousal"][va]),
        "p_expr": p_expr(scoring.expression[ex], decided),
        "p_au": p_au(scoring.action_units[au], at["action_unit_logits"][au] > 0),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert found["p_mtl"] == found["score"] == pytest.approx(sum(expected.values()))
    each = f1_per_class(scoring.expression[ex], decided, 8)
    assert [found[f"f1_{n.lower()}"] for n in AFF_WILD2.expressions] == pytest.approx(list(each))
    assert found["f1_au26"] >= 0 and "f1_au20" not in found


def test_the_formulas_of_both_challenges_by_hand():
    """Four frames, each with its own answer; two units, the rest never there and never said."""
    logits = np.full((4, 8), -9.0)
    logits[range(4), (0, 0, 4, 4)] = 9.0  # said: Neutral twice, Happiness twice
    units = np.full((4, 12), -9.0)
    units[:2, 0] = units[3, 1] = 9.0  # said: AU1 in frames 0 and 1, AU2 in frame 3
    true = np.zeros((4, 12), "int8")
    true[0, 0] = true[2, 1] = 1
    scoring = Scoring(
        row=np.arange(4),
        track=np.zeros(4, np.int32),
        source_frame=np.arange(1, 5, dtype=np.int32),
        time=np.arange(4) / 30,
        valence_arousal=np.zeros((4, 2), "float32"),
        va_valid=np.zeros(4, bool),
        expression=np.array([0, 1, 4, 4], "int32"),
        expression_valid=np.ones(4, bool),
        action_units=true,
        au_valid=np.ones(4, bool),
    )
    answers = {"expression_logits": logits, "action_unit_logits": units}
    found = score_frames(answers, np.arange(4), scoring, ("expression", "au"), AFF_WILD2)
    # Neutral: one right, one too many, F1 2/3; Anger is missed, 0; Happiness 1; over eight classes.
    assert found["p_expr"] == pytest.approx((2 / 3 + 0 + 1) / 8)
    assert found["abaw1_expr"] == pytest.approx(0.67 * (5 / 24) + 0.33 * 3 / 4)
    # AU1: one right, one too many, 2/3; AU2: one missed, one too many, 0; 3 of 48 entries wrong.
    assert found["p_au"] == pytest.approx((2 / 3) / 12)
    assert found["abaw1_au"] == pytest.approx(0.5 / 18 + 0.5 * 45 / 48)
    assert (found["f1_au1"], found["f1_au2"]) == (pytest.approx(2 / 3), 0)
    assert "p_va" not in found and "p_mtl" not in found
    assert found["score"] == pytest.approx(5 / 24 + 1 / 18)


def test_one_task_has_only_its_own_criteria(case):
    found = score_frames(*case, ("expression",), AFF_WILD2)
    assert found["score"] == found["p_expr"] and not {"p_va", "p_au", "p_mtl"} & found.keys()


def test_thresholds_move_the_decisions(case):
    answers, rows, scoring = case
    chosen = thresholds_for(answers, rows, scoring)
    au = scoring.au_valid
    logits = answers["action_unit_logits"][scoring.row - 10][au]
    expected = best_logit_thresholds(scoring.action_units[au], logits)
    np.testing.assert_array_equal(chosen, expected)
    plain = score_frames(answers, rows, scoring, ("au",), AFF_WILD2)
    tuned = score_frames(answers, rows, scoring, ("au",), AFF_WILD2, chosen)
    assert tuned["p_au"] > plain["p_au"]
    assert tuned["p_au"] == pytest.approx(np.mean([tuned[f"f1_{n.lower()}"]
                                                   for n in AFF_WILD2.action_units]))  # fmt: skip
