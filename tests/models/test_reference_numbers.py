"""tensorflow-addons' F1 scores and additive attention against ours (`scripts/reference`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kaffect.layers import AttentionGRUCell
from kaffect.metrics import au_f1, au_f1_macro, au_f1_weighted, f1

GOLDEN = Path(__file__).parents[1] / "golden" / "addons"


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz") as data:
        return {key: data[key] for key in data.files}


@pytest.mark.parametrize("average", ["macro", "weighted"])
@pytest.mark.parametrize("case", ["usual", "rare"])
def test_f1_of_classes(case, average):
    data = arrays("f1")
    true, pred = data[f"{case}/true"], data[f"{case}/pred"]
    assert len(np.union1d(true, pred)) == (7 if case == "usual" else 6)
    ours = f1(true, pred, average, classes=7)
    assert ours == pytest.approx(float(data[f"{case}/{average}"]), abs=1e-6)
    if case == "rare" and average == "macro":
        # tensorflow-addons counts a class that never occurs as 0; our default leaves it out.
        assert f1(true, pred) == pytest.approx(ours * 7 / 6, abs=1e-6)


def test_f1_of_action_units():
    data = arrays("f1")
    true, pred = data["units/true"], data["units/probability"] > 0.5
    np.testing.assert_allclose(au_f1(true, pred), data["units/each"], rtol=0, atol=1e-6)
    assert au_f1_macro(true, pred) == pytest.approx(float(data["units/macro"]), abs=1e-6)
    assert au_f1_weighted(true, pred) == pytest.approx(float(data["units/weighted"]), abs=1e-6)


def test_additive_attention():
    data = arrays("additive_attention")
    cell = AttentionGRUCell((9, 6), attention_length=5)  # 9 + 6 values of query, the last 6 unused
    cell.build((None, 4))
    cell.key_kernel.assign(data["memory_kernel"])
    cell.query_kernel.assign(np.concatenate([data["query_kernel"], np.zeros((6, 6))]))
    cell.score.assign(data["attention_v"])
    hidden = (tf.constant(data["query"]), tf.ones((3, 6)))
    weights = cell.attention(hidden, tf.constant(data["memory"]), tf.fill([3], 5.0))
    np.testing.assert_allclose(weights, data["alignments"], rtol=0, atol=1e-6)
