"""Every score against its definition in NumPy, on sets with everything that makes 0/0.

Hand-worked numbers and refused inputs are in tests/metrics.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from kaffect.metrics import METRICS, clustered_interval
from tests.conformance.metrics import CLASSES, ORACLES, OTHERS

Pair = tuple[np.ndarray, np.ndarray]
UNITS = 5


def random_set(task: str, seed: int) -> Pair:
    """Labels and predictions of 1 to 60 frames; some classes and units never occur."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    if task == "va":
        true = rng.uniform(-1, 1, (count, 2)) * 10.0 ** rng.integers(-2, 3) + rng.normal()
        return true, 0.6 * true + rng.normal(0.1, 0.3, (count, 2))
    if task == "expression":
        true, pred = rng.integers(0, rng.integers(1, CLASSES + 1), (2, count))
        return true, pred
    true, pred = (rng.random((2, count, UNITS)) < rng.random(UNITS)).astype(int)
    return true, pred


def sets(task: str) -> Iterator[Pair]:
    """Random sets, then those of one value, of right and of wrong predictions only."""
    for seed in range(25):
        yield random_set(task, seed)
    true, _ = random_set(task, 99)
    yield true, true
    yield np.zeros_like(true), np.zeros_like(true)
    yield true, np.zeros_like(true)
    yield (true, -true) if task == "va" else (true % 2, 1 - true % 2)


@pytest.mark.parametrize("name", METRICS)
def test_a_score_is_what_its_definition_gives(name: str) -> None:
    metric = METRICS[name]
    for true, pred in sets(metric.task):
        found = np.asarray(metric.score(true, pred, CLASSES))
        np.testing.assert_allclose(found, ORACLES[name](true, pred), rtol=1e-10, atol=1e-10)
        assert (metric.low - 1e-12 <= found).all() and (found <= metric.high + 1e-12).all()
        order = np.random.default_rng(0).permutation(len(true))
        again = metric.score(true[order], pred[order], CLASSES)
        np.testing.assert_allclose(again, found, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", OTHERS)
def test_other_scores_are_what_their_definition_gives(name: str) -> None:
    task, function, oracle = OTHERS[name]
    for true, pred in sets(task):
        np.testing.assert_allclose(function(true, pred), oracle(true, pred), atol=1e-10)


@pytest.mark.parametrize("name", [n for n, metric in METRICS.items() if metric.of_sums])
def test_a_score_from_sums_is_that_of_the_frames(name: str) -> None:
    """What the intervals over videos start from."""
    metric = METRICS[name]
    for true, pred in sets(metric.task):
        if len(true) < 2:
            continue
        video = np.arange(len(true)) % 2
        estimate = clustered_interval(true, pred, video, name, classes=CLASSES).estimate
        wanted = np.mean(metric.score(true, pred, CLASSES))
        np.testing.assert_allclose(estimate, wanted, rtol=1e-8, atol=1e-8)
