"""Intervals over clusters of frames against brute force, SciPy, worked numbers and simulation."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from kaffect import metrics
from kaffect.errors import ConfigError, DatasetError
from kaffect.metrics import (
    ClusterSums,
    cluster_sums,
    clustered_interval,
    interval_of,
    paired_interval,
    paired_interval_of,
)

# tests/conformance compares these with their definitions.
SCORES = {
    name: lambda t, p, metric=metric: float(np.mean(metric.score(t, p, 9)))
    for name, metric in metrics.METRICS.items()
    if metric.of_sums
}


def frames(metric: str, seed: int, count: int = 240):
    """Labels, two predictions and clusters of unequal length in mixed order."""
    generator = np.random.default_rng(seed)
    clusters = generator.permutation(np.repeat([3, 11, 4, 900, 5], [20, 90, 40, 60, count - 210]))
    if metric in ("ccc", "mse"):
        true = generator.normal(size=(count, 2)) + 0.01 * clusters[:, np.newaxis]
        preds = [0.7 * true + generator.normal(0.1, 0.4, true.shape) for _ in range(2)]
    elif metric.startswith("au_"):
        true = generator.integers(0, 2, (count, 6))
        preds = [np.where(generator.random(true.shape) < 0.7, true, 1 - true) for _ in range(2)]
    else:
        # Class 7 is labelled in one cluster only, class 8 nowhere, class 5 is never predicted.
        true = np.where(clusters == 4, generator.choice([1, 5, 7], count), clusters % 4)
        preds = [np.where(generator.random(count) < 0.6, true, 2) for _ in range(2)]
        preds = [np.where(pred == 5, 0, pred) for pred in preds]
    return true, preds[0], preds[1], clusters


def brute_force(score, clusters, level: float):
    """Leave-one-cluster-out by the definition: `score` of a boolean selection of frames."""
    ids, sizes = np.unique(clusters, return_counts=True)
    estimate = score(np.ones(len(clusters), bool))
    left_out = np.array([score(clusters != name) for name in ids])
    error = math.sqrt((len(ids) - 1) / len(ids) * sum((left_out - estimate) ** 2))
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    half = stats.t.ppf(0.5 + level / 2, effective - 1) * error
    return estimate, estimate - half, estimate + half


@pytest.mark.parametrize("metric", SCORES)
def test_equals_leaving_the_frames_of_each_cluster_out(metric: str) -> None:
    true, first, second, clusters = frames(metric, 5)
    classes = 9 if metric == "f1_macro_all" else None
    score = SCORES[metric]
    wanted = brute_force(lambda at: score(true[at], first[at]), clusters, 0.5)
    found = clustered_interval(true, first, clusters, metric, 0.5, classes)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    wanted = brute_force(
        lambda at: score(true[at], first[at]) - score(true[at], second[at]), clusters, 0.5
    )
    found = paired_interval(true, first, second, clusters, metric, 0.5, classes)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-14)


def test_with_clusters_of_one_length_accuracy_is_scipys_t_interval() -> None:
    generator = np.random.default_rng(3)
    true = generator.integers(0, 3, 12 * 50)
    first, second = (
        np.where(generator.random(len(true)) < share, true, (true + 1) % 3) for share in (0.6, 0.5)
    )
    clusters = np.repeat(np.arange(12), 50)
    shares = [(pred == true).reshape(12, 50).mean(axis=1) for pred in (first, second)]
    found = clustered_interval(true, first, clusters, "accuracy", 0.9)
    wanted = stats.ttest_1samp(shares[0], 0).confidence_interval(0.9)
    np.testing.assert_allclose(found[1:], wanted, rtol=1e-10)
    found = paired_interval(true, first, second, clusters, "accuracy")
    wanted = stats.ttest_rel(*shares).confidence_interval(0.95)
    np.testing.assert_allclose(found[1:], wanted, rtol=1e-9)


def test_hand_worked_example() -> None:
    # Accuracy of clusters of 1, 1 and 2 frames: 1 of 1, 0 of 1, 1 of 2. All: 2/4; without one of
    # them: 1/3, 2/3, 1/2. Variance 2/3 (1/36 + 1/36 + 0) = 1/27; K_eff - 1 = 16/6 - 1 = 5/3.
    found = clustered_interval([0, 0, 1, 1], [0, 1, 1, 0], [8, 9, 7, 7], "accuracy", 0.2)
    half = stats.t.ppf(0.6, 5 / 3) / math.sqrt(27)
    np.testing.assert_allclose(found, (0.5, 0.5 - half, 0.5 + half), rtol=1e-12)


def test_names_and_order_of_the_clusters_do_not_matter() -> None:
    true, pred, _, clusters = frames("ccc", 6)
    wanted = clustered_interval(true, pred, clusters)
    order = np.random.default_rng(0).permutation(len(true))
    names = np.array([f"video {number}" for number in clusters])
    found = clustered_interval(true[order], pred[order], names[order])
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    objects = names.astype(object)
    np.testing.assert_allclose(clustered_interval(true, pred, objects), wanted, rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_an_offset_costs_no_precision(offset: float) -> None:
    true, pred, _, clusters = frames("ccc", 7)
    wanted = clustered_interval(true, pred, clusters)
    found = clustered_interval(true + offset, pred + offset, clusters)
    np.testing.assert_allclose(found, wanted, rtol=1e-8)


def test_the_ends_stay_in_the_range_of_the_metric() -> None:
    generator = np.random.default_rng(8)
    true = generator.normal(size=40)
    pred = true + generator.normal(0, 0.5, 40)
    clusters = np.repeat([0, 1], [37, 3])
    estimate, low, high = clustered_interval(true, pred, clusters, level=0.999)
    assert (low, high) == (-1.0, 1.0) and estimate == pytest.approx(metrics.ccc(true, pred))
    _, low, high = paired_interval(true, pred, -pred, clusters, level=0.999)
    assert (low, high) == (-2.0, 2.0)


@pytest.mark.parametrize("constant", [0.1, -1e3, 1 / 3])
def test_constant_predictions(constant: float) -> None:
    true, pred, _, clusters = frames("ccc", 9)
    flat = np.full_like(true, constant)
    assert clustered_interval(true, flat, clusters) == (0, 0, 0)
    assert clustered_interval(flat, flat, clusters) == (0, 0, 0)
    assert paired_interval(true, pred, pred, clusters) == (0, 0, 0)
    # Labels and predictions that move in one cluster alone: without it the CCC is exactly 0.
    true, pred = (np.where((clusters == 11)[:, np.newaxis], x, constant) for x in (true, pred))
    wanted = brute_force(lambda at: SCORES["ccc"](true[at], pred[at]), clusters, 0.1)
    found = clustered_interval(true, pred, clusters, level=0.1)
    np.testing.assert_allclose(found, np.clip(wanted, -1, 1), rtol=1e-9)


def test_a_class_of_one_cluster_leaves_with_it_or_counts_as_zero() -> None:
    true = np.array([0, 1, 0, 1, 0, 2])
    pred, clusters = true, np.array([1, 1, 2, 2, 3, 3])
    assert clustered_interval(true, pred, clusters, "f1_macro") == (1, 1, 1)
    # Of four classes, three are all right; without cluster 1 or 2 as well, without 3 only two.
    estimate, low, _ = clustered_interval(true, pred, clusters, "f1_macro_all", 0.5, classes=4)
    half = stats.t.ppf(0.75, 2) * math.sqrt(2 / 3 * (1 / 4) ** 2)
    assert (estimate, low) == pytest.approx((0.75, 0.75 - half), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"clusters": [1] * 6}, DatasetError, "at least 2"),
        ({"clusters": [1, 2]}, DatasetError, "6"),
        ({"clusters": [0.5] * 6}, DatasetError, "Clusters"),
        ({"clusters": [None] * 6}, DatasetError, "Clusters"),
        ({"y_true": [], "y_pred": [], "clusters": []}, DatasetError, "Clusters"),
        ({"y_true": [0, 1, math.nan, 0, 1, 0]}, DatasetError, r"Labels \(frame 2\).*nan"),
        ({"y_pred": [0, 1, 0, math.inf, 1, 0]}, DatasetError, r"Predictions \(frame 3\).*inf"),
        ({"y_pred": [0, 1]}, DatasetError, "one shape"),
        ({"y_pred": list("abcdef")}, DatasetError, "numbers"),
        ({"metric": "rmse"}, ConfigError, "rmse"),
        ({"level": 1.0}, ConfigError, "between 0 and 1"),
        ({"level": math.nan}, ConfigError, "between 0 and 1"),
        ({"metric": "accuracy", "y_true": [0, 1, -1, 0, 1, 0]}, DatasetError, "-1"),
        ({"metric": "accuracy", "y_true": [0, 1, 0.5, 0, 1, 0]}, DatasetError, "0.5"),
        ({"metric": "accuracy", "y_true": [0, 1, 10**9, 0, 1, 0]}, DatasetError, "999"),
        ({"metric": "accuracy", "classes": 1}, DatasetError, "0 to 0"),
        ({"metric": "f1_macro_all"}, ConfigError, "give their number"),
        ({"metric": "au_f1_macro"}, DatasetError, "2 axes"),
        (
            {"metric": "au_accuracy", "y_true": [[-1]] * 6, "y_pred": [[0]] * 6},
            DatasetError,
            "0 or 1",
        ),
    ],
)
def test_bad_input(change: dict, error: type, message: str) -> None:
    arguments = {"y_true": [0, 1] * 3, "y_pred": [0, 1] * 3, "clusters": [1, 1, 2, 2, 3, 3]}
    with pytest.raises(error, match=message) as caught:
        clustered_interval(**{**arguments, **change})
    assert "\n" not in str(caught.value)


def test_stored_sums_give_the_same_interval_after_json() -> None:
    true, first, second, clusters = frames("ccc", 10)
    sums = [cluster_sums(true, pred, clusters) for pred in (first, second)]
    again = [ClusterSums.from_json(json.loads(json.dumps(s.as_json()))) for s in sums]
    assert interval_of(again[0]) == clustered_interval(true, first, clusters)
    assert paired_interval_of(*again) == paired_interval(true, first, second, clusters)
    arousal = clustered_interval(true[:, 1], first[:, 1], clusters)
    np.testing.assert_allclose(interval_of(again[0].column(1)), arousal, rtol=1e-12)


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "other"},
        {"clusters": [1, 2]},
        {"values": [[1, 2]]},
        {"values": "text"},
        {"values": [[[0.0] * 6]] * 5},
        {"values": [[[math.nan] * 6]] * 5},
        {"clusters": None},
    ],
)
def test_damaged_sums_are_rejected(damage: dict) -> None:
    true, pred, _, clusters = frames("ccc", 11)
    stored = cluster_sums(true, pred, clusters).as_json()
    with pytest.raises(DatasetError):
        ClusterSums.from_json({**stored, **damage})
    with pytest.raises(DatasetError, match="values"):
        ClusterSums.from_json({"kind": "moments", "clusters": [1]})


def test_a_pair_must_be_of_the_same_frames() -> None:
    true, first, second, clusters = frames("ccc", 12)
    one = cluster_sums(true, first, clusters)
    with pytest.raises(DatasetError, match="same labelled frames"):
        paired_interval_of(one, cluster_sums(true[:-1], second[:-1], clusters[:-1]))
    with pytest.raises(DatasetError, match="same labelled frames"):
        paired_interval_of(one, cluster_sums(true + 0.1, second, clusters))
    with pytest.raises(DatasetError, match="same labelled frames"):
        paired_interval_of(one, cluster_sums(true, second, clusters + 1))
    with pytest.raises(DatasetError, match="Sums for 'accuracy'"):
        interval_of(one, "accuracy")


def simulation() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "interval_coverage.py"
    described = importlib.util.spec_from_file_location("interval_coverage", path)
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def test_coverage_of_a_small_sample() -> None:
    simulated = simulation()
    held = simulated.coverage(simulated.one_row(18), 300, [1])
    assert 0.91 <= held.share <= 0.985, held
    # The failing control: frames taken as independent.
    assert simulated.coverage(simulated.frame_bootstrap(10, 100), 60, [2]).share < 0.6


@pytest.mark.nightly
@pytest.mark.parametrize("videos", [10, 18, 30, 76])
def test_coverage(videos: int) -> None:
    """.93 to .97 for every kind of score, up to two Monte Carlo errors (docs/statistics.md)."""
    simulated = simulation()
    for number, (name, make) in enumerate(simulated.ROWS.items()):
        control = make is simulated.frame_bootstrap
        held = simulated.coverage(make(videos), 300 if control else 2000, [0, 1, number, videos])
        print(f"{name}, {videos} videos: {held}")
        if control:
            assert held.share < 0.6
        else:
            assert 0.93 - 2 * held.error <= held.share <= 0.97 + 2 * held.error, (name, held)
