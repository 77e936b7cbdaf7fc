"""Curves and histograms of a split for TensorBoard and reports."""

from __future__ import annotations

import numpy as np

from kaffect.studies.curves import curves_figure, histogram_figure


def test_figures_show_what_they_are_given():
    looks = ((4, 2.0, 2.2, 0.1), (8, 1.0, 2.1, 0.2))
    history = [
        {
            "step": step,
            "train": {"expression": loss, "accuracy": 3 * score, "ccc_arousal": -score},
            "validation": {"loss_expression": other, "p_expr": score, "accuracy": 2 * score},
        }
        for step, loss, other, score in looks
    ]
    left, right, seen = curves_figure(history, 4, "row", 8).axes
    shown = {line.get_label(): line.get_ydata() for line in seen.lines[:-1]}
    expected = {"accuracy, train": [0.3, 0.6], "accuracy, validation": [0.2, 0.4]}
    expected["CCC arousal, train"] = [-0.1, -0.2]
    assert shown.keys() == expected.keys(), "validation has no CCC: no curve"
    for label, values in expected.items():
        np.testing.assert_allclose(shown[label], values)
    assert [line.get_label() for line in left.lines[:2]] == [
        "expression, train",
        "expression, validation",
    ]
    np.testing.assert_array_equal(left.lines[0].get_data(), [[1, 2], [2.0, 1.0]])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [0.1, 0.2])
    axis = histogram_figure({"train": [3, 1], "validation": [0, 2]}, ("a", "b"), "t").axes[0]
    assert [bar.get_height() for bar in axis.patches] == [0.75, 0.25, 0, 1]
