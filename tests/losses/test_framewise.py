"""Losses of the second study against NumPy: masks, mixtures, weights of tasks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kaffect.losses import framewise_losses, mse_of_probabilities, uncertainty_weighted
from tests import three_tasks

TASKS = ("va", "expression", "au")


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    labels = three_tasks.labels(rng, (6,), 8, 12, share=0.6, dtype=np.float32)
    outputs = three_tasks.outputs(rng, (6,), 8, 12, dtype=np.float32)
    for name, mask in labels.items():
        assert not name.endswith("_mask") or (mask.any() and not mask.all())
    return {k: tf.constant(v) for k, v in labels.items()}, {
        k: tf.constant(v) for k, v in outputs.items()
    }


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(labels, outputs, masked=True, smoothing=0.0, class_weights=None):
    """MSE, smoothed and weighted cross entropy, MSE of probabilities."""
    y, p = {k: v.numpy() for k, v in labels.items()}, {k: v.numpy() for k, v in outputs.items()}
    m = {t: y[f"{t}_mask"] if masked else np.ones(6, bool)
         for t in ("valence_arousal", "expression", "action_units")}  # fmt: skip
    va = ((y["valence_arousal"] - p["valence_arousal"]) ** 2)[m["valence_arousal"]].mean()
    logits = p["expression_logits"] - p["expression_logits"].max(axis=1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    target = np.eye(8)[y["expression"]] * (1 - smoothing) + smoothing / 8
    each = -(target * logs).sum(axis=1)
    weights = (
        m["expression"] * (np.ones(8) if class_weights is None else class_weights)[y["expression"]]
    )
    probability = sigmoid(p["action_unit_logits"])
    au = ((y["action_units"] - probability) ** 2)[m["action_units"]].mean()
    expression = (each * weights).sum() / weights.sum()
    return {"valence_arousal": va, "expression": expression, "action_units": au}


@pytest.mark.parametrize("masked", [True, False])
def test_every_task_over_its_own_frames(case, masked):
    labels, outputs = case
    found = framewise_losses(labels, outputs, TASKS, au="mse", masked=masked)
    expected = by_hand(labels, outputs, masked)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5)


def test_smoothing_and_class_weights(case):
    labels, outputs = case
    weights = np.linspace(0.5, 4, 8)
    found = framewise_losses(
        labels, outputs, ("expression",), class_weights=tuple(weights), label_smoothing=0.2
    )
    expected = by_hand(labels, outputs, smoothing=0.2, class_weights=weights)["expression"]
    assert list(found) == ["expression"]
    assert float(found["expression"]) == pytest.approx(expected, rel=1e-5)


def test_positive_weights_count_only_what_is_there(case):
    labels, outputs = case
    weights = np.linspace(1, 6, 12)
    found = framewise_losses(labels, outputs, ("au",), positive_weights=tuple(weights))
    y, mask = labels["action_units"].numpy(), labels["action_units_mask"].numpy()
    p = sigmoid(outputs["action_unit_logits"].numpy())
    each = -(weights * y * np.log(p) + (1 - y) * np.log(1 - p))
    assert float(found["action_units"]) == pytest.approx(each[mask].mean(), rel=1e-5)


@pytest.mark.parametrize("double", [False, True])
def test_mixtures_answer_to_both_labels(case, double):
    labels, outputs = case
    share = 0.3
    rolled = {k: tf.roll(v, 1, axis=0) for k, v in labels.items()}
    mixed = {k: share * a + (1 - share) * b
             for (k, a), b in zip(by_hand(labels, outputs).items(),
                                  by_hand(rolled, outputs).values())}  # fmt: skip
    if double:
        real = {k: v + 0.1 for k, v in outputs.items()}
        expected = {k: 0.5 * (v + mixed[k]) for k, v in by_hand(labels, real).items()}
        given = {k: tf.concat([real[k], v], axis=0) for k, v in outputs.items()}
    else:
        expected, given = mixed, outputs
    found = framewise_losses({**labels, "mix_share": tf.constant(share)}, given, TASKS, au="mse")
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name


def test_mse_of_probabilities_at_extreme_logits():
    loss = mse_of_probabilities([[1.0, 0.0]], [[200.0, 200.0]])
    assert float(loss) == pytest.approx(0.5)


def test_learned_weights_are_best_where_they_should_be():
    """exp(-s) L + s / 2 is smallest at s = log(2 L), and there the task counts 1 / (2 L)."""
    terms = [tf.constant(0.5), tf.constant(4.0)]
    best = np.log([1.0, 8.0]).astype("float32")
    expected = 0.5 + 0.5 * np.log(8.0) + 0.5
    assert float(uncertainty_weighted(terms, tf.constant(best))) == pytest.approx(expected)
    variable = tf.Variable(best)
    with tf.GradientTape() as tape:
        total = uncertainty_weighted(terms, variable)
    np.testing.assert_allclose(tape.gradient(total, variable), [0.0, 0.0], atol=1e-6)
    assert float(uncertainty_weighted(terms, tf.constant(best + 0.1))) > expected
