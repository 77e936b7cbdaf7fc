"""Scores and decisions of a run: units are decided with the thresholds that were chosen."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np

from kaffect.studies.scoring import score, thresholds_for
from kaffect.studies.submission import to_labels


def test_saturated_units_are_decided_as_they_were_chosen():
    """From the choice on validation to every place that decides; the record stays readable."""
    scoring = SimpleNamespace(
        row=np.arange(3), au_valid=np.ones(3, bool), action_units=np.array([[0, 1], [1, 1], [0, 0]])
    )
    answers = {"action_unit_logits": np.array([[40, -30], [45, -29], [38, -31]], np.float32)}
    cuts = thresholds_for(answers, np.arange(3), scoring)
    assert score(answers, np.arange(3), scoring, ("au",), threshold=cuts)["au_f1_macro"] == 1
    np.testing.assert_array_equal(to_labels("au", answers, cuts), scoring.action_units)
    recorded = json.loads(json.dumps(np.asarray(cuts).tolist()))
    again = to_labels("au", answers, np.array(recorded))
    np.testing.assert_array_equal(again, scoring.action_units)
