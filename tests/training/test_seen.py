"""Accuracy and CCC of training batches: right as a whole, and without a trace in the training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score

from kaffect.config.framewise import FramewiseLoss, FramewiseTraining
from kaffect.metrics import ccc
from kaffect.models import affect_network, layers_compute_in
from kaffect.training import framewise
from kaffect.training.framewise import FramewiseTrainer
from kaffect.training.schedules import make_optimizer
from kaffect.training.seen import seen_scores, seen_sums, without_sums

TASKS = ("va", "expression", "au")


def batch(rng: np.random.Generator, labelled: float = 0.6) -> tuple[dict[str, Any], dict[str, Any]]:
    """Labels of sixteen frames, with rubbish where none is, and answers to them."""
    va = rng.uniform(-1, 1, (16, 2)).astype(np.float32)
    va_mask, expression_mask = rng.random((2, 16)) < labelled
    va[~va_mask] = np.nan
    labels = {
        "valence_arousal": va, "valence_arousal_mask": va_mask,
        "expression": rng.integers(0, 8, 16, np.int32), "expression_mask": expression_mask,
        "action_units": np.zeros((16, 12), np.int32), "action_units_mask": np.ones(16, bool),
    }  # fmt: skip
    answers = {
        "valence_arousal": rng.normal(0.3, 0.5, (16, 2)).astype(np.float32),
        "expression_logits": rng.normal(size=(16, 8)).astype(np.float32),
        "action_unit_logits": rng.normal(size=(16, 12)).astype(np.float32),
    }
    tensors = [{k: tf.constant(v) for k, v in part.items()} for part in (labels, answers)]
    return tensors[0], tensors[1]


def means_of(batches: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, float]:
    """As the training loop has them: means over the steps."""
    sums = [seen_sums(labels, answers, TASKS) for labels, answers in batches]
    return {name: float(np.mean([found[name] for found in sums])) for name in sums[0]}


def test_the_scores_are_those_of_all_frames_together() -> None:
    rng = np.random.default_rng(0)
    batches = [batch(rng, share) for share in (0.9, 0.2, 0.6)]
    found = seen_scores({**means_of(batches), "loss": 3.0})

    def every(part: int, name: str, mask: str) -> np.ndarray:
        return np.concatenate([b[part][name].numpy()[b[0][mask].numpy()] for b in batches])

    va = [every(part, "valence_arousal", "valence_arousal_mask") for part in (0, 1)]
    expressions = every(0, "expression", "expression_mask")
    answered = every(1, "expression_logits", "expression_mask").argmax(axis=1)
    assert found == {
        "accuracy": pytest.approx(accuracy_score(expressions, answered)),
        "ccc_valence": pytest.approx(ccc(va[0][:, 0], va[1][:, 0]), rel=1e-6),
        "ccc_arousal": pytest.approx(ccc(va[0][:, 1], va[1][:, 1]), rel=1e-6),
    }
    assert without_sums({**means_of(batches), "loss": 3.0}) == {"loss": 3.0}


def test_tasks_without_a_label_have_no_score() -> None:
    rng = np.random.default_rng(1)
    assert seen_scores(means_of([batch(rng, 0.0)])) == {}
    labels, answers = batch(rng)
    assert seen_sums(labels, answers, ("au",)) == {}


def test_only_real_pictures_count() -> None:
    """MixAugment's outputs are the real pictures' and those of mixtures; MixUp's, mixtures'."""
    labels, answers = batch(np.random.default_rng(2))
    mixed = {**labels, "mix_share": tf.constant(0.3)}
    twice = {name: tf.concat([value, 1 - value], axis=0) for name, value in answers.items()}
    assert seen_sums(mixed, twice, TASKS) == seen_sums(labels, answers, TASKS)
    assert seen_sums(mixed, answers, TASKS) == {}


def trained(policy: str) -> list[np.ndarray]:
    with layers_compute_in(policy):
        network = affect_network("small", 32, width=1 / 16, seed=3)
    losses = FramewiseLoss(va="ccc", weighting="uncertainty")
    trainer = FramewiseTrainer(network, losses, {})
    settings = FramewiseTraining(optimizer="adamw", weight_decay=0.05)
    optimizer = make_optimizer(settings, 3, policy, trainer.trained_variables)
    trainer.compile(optimizer=optimizer, jit_compile=False)
    labels = batch(np.random.default_rng(4))[0]
    images = np.random.default_rng(5).integers(0, 256, (16, 32, 32, 3), np.uint8)
    data = tf.data.Dataset.from_tensors({"images": images, **labels}).repeat(3)
    trainer.fit(data, steps_per_epoch=3, verbose=0, shuffle=False)
    return [v.numpy() for v in (*trainer.trained_variables, *optimizer.variables)]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_training_is_the_same_bit_for_bit_without_them(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras.utils.clear_session()
    found = trained(policy)
    monkeypatch.setattr(framewise, "seen_sums", lambda *a: {})
    for value, wanted in zip(found, trained(policy), strict=True):
        np.testing.assert_array_equal(value, wanted)
