"""The interval over seeds and videos: against an analysis of variance by hand, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from kaffect.errors import ConfigError, DatasetError
from kaffect.metrics import (
    cluster_sums,
    clustered_interval,
    crossed_interval,
    crossed_interval_of,
    paired_interval,
)
from tests.metrics.test_intervals import frames, simulation

LENGTH = 40


def rows(seed: int, seeds: int = 4, videos: int = 7):
    """Labels, two rows of predictions by seed and videos of one length."""
    generator = np.random.default_rng(seed)
    true = generator.integers(0, 3, videos * LENGTH)
    shape = (2, seeds, videos, 1)
    # Seeds differ as a whole only where `seed` is odd; they always differ in single videos.
    skill = 0.5 + 0.1 * generator.normal(size=shape)
    skill = skill + 0.1 * (seed % 2) * generator.normal(size=(2, seeds, 1, 1))
    right = generator.random((2, seeds, videos, LENGTH)) < skill
    pred = np.where(right.reshape(2, seeds, -1), true, (true + 1) % 3)
    return true, pred, np.repeat(np.arange(videos), LENGTH)


def by_hand(table: np.ndarray, level: float):
    """The interval of the mean of a table [seeds, videos], from its sums of squares."""
    seeds, videos = table.shape
    mean = table.mean()
    ss_seeds = videos * sum((table.mean(axis=1) - mean) ** 2)
    ss_videos = seeds * sum((table.mean(axis=0) - mean) ** 2)
    ss_rest = ((table - mean) ** 2).sum() - ss_seeds - ss_videos
    ms_seeds, ms_videos = ss_seeds / (seeds - 1), ss_videos / (videos - 1)
    ms_rest = ss_rest / ((seeds - 1) * (videos - 1))
    parts = [max(ms_seeds - ms_rest, 0) / table.size, ms_videos / table.size]
    factors = [stats.t.ppf(0.5 + level / 2, n - 1) for n in (seeds, videos)]
    half = math.sqrt(sum(f**2 * p for f, p in zip(factors, parts, strict=True)))
    return mean, mean - half, mean + half, math.sqrt(parts[0]), math.sqrt(parts[1])


@pytest.mark.parametrize("seed", range(6))
def test_accuracy_with_videos_of_one_length_is_an_analysis_of_variance(seed: int) -> None:
    true, pred, video = rows(seed)
    shares = (pred == true).reshape(2, 4, 7, LENGTH).mean(axis=-1)
    cases = (
        (crossed_interval(true, pred[0], video, metric="accuracy", level=0.8), shares[0]),
        (
            crossed_interval(true, pred[0], video, pred[1], "accuracy", level=0.8),
            shares[0] - shares[1],
        ),
    )
    for found, table in cases:
        got = (found.estimate, found.low, found.high, found.seed_error, found.cluster_error)
        np.testing.assert_allclose(got, by_hand(table, 0.8), rtol=1e-9, atol=1e-12)
        assert (found.seeds, found.clusters) == (4, 7)


def test_the_cases_above_have_seed_parts_of_zero_and_others() -> None:
    drawn = [rows(seed) for seed in range(6)]
    parts = [crossed_interval(t, p[0], v, metric="accuracy").seed_error for t, p, v in drawn]
    assert min(parts) == 0.0 < max(parts)


def test_equal_seeds_give_the_interval_over_videos() -> None:
    true, first, second, clusters = frames("ccc", 3)
    found = crossed_interval(true, np.stack([first] * 3), clusters)
    np.testing.assert_allclose(
        (found.estimate, found.low, found.high), clustered_interval(true, first, clusters), 1e-12
    )
    assert found.seed_error == 0.0
    found = crossed_interval(true, np.stack([first] * 3), clusters, np.stack([second] * 3))
    np.testing.assert_allclose(
        (found.estimate, found.low, found.high),
        paired_interval(true, first, second, clusters),
        1e-9,
    )


def test_the_two_parts_are_told_apart() -> None:
    generator = np.random.default_rng(4)
    true = generator.integers(0, 2, 20 * 100)
    video = np.repeat(np.arange(20), 100)
    skill = np.array([0.5, 0.7, 0.9, 0.6])[:, np.newaxis]
    pred = np.where(generator.random((4, len(true))) < skill, true, 1 - true)
    seeds = crossed_interval(true, pred, video, metric="accuracy")
    assert seeds.seed_error == pytest.approx(np.std(skill, ddof=1) / 2, rel=0.1)
    assert seeds.cluster_error < 0.1 * seeds.seed_error
    skill = np.repeat(generator.uniform(0.5, 0.9, 20), 100)
    pred = np.where(generator.random((4, len(true))) < skill, true, 1 - true)
    videos = crossed_interval(true, pred, video, metric="accuracy")
    assert videos.cluster_error == pytest.approx(np.std(skill) / math.sqrt(19), rel=0.3)
    assert videos.seed_error < 0.2 * videos.cluster_error


def test_a_difference_stands_only_if_it_stands_on_seeds_and_on_videos() -> None:
    generator = np.random.default_rng(5)
    true = generator.integers(0, 2, 20 * 50)
    video = np.repeat(np.arange(20), 50)

    def row(shares) -> np.ndarray:
        return np.where(generator.random((4, len(true))) < shares, true, 1 - true)

    base = row(0.6)
    better = crossed_interval(true, row(0.8), video, base, "accuracy")
    assert better.excludes_zero and better.low > 0.1
    assert crossed_interval(true, base, video, row(0.8), "accuracy").excludes_zero
    lucky = row(np.array([0.98, 0.6, 0.6, 0.6])[:, np.newaxis])  # one good seed
    assert not crossed_interval(true, lucky, video, base, "accuracy").excludes_zero
    easy = row(np.where(video < 3, 1.0, 0.6))  # three easy videos
    assert not crossed_interval(true, easy, video, base, "accuracy").excludes_zero


def test_bad_input() -> None:
    true, (first, second), video = rows(1)
    with pytest.raises(DatasetError, match="2 or more. Received: 1"):
        crossed_interval(true, first[:1], video, second[:1], "accuracy")
    with pytest.raises(DatasetError, match="4 as in the first. Received: 3"):
        crossed_interval(true, first, video, second[:3], "accuracy")
    with pytest.raises(DatasetError, match="at least 2"):
        crossed_interval(true, first, np.zeros_like(video), metric="accuracy")
    with pytest.raises(DatasetError, match=r"\[seeds, frames, ...\]"):
        crossed_interval(true, first[0], video, metric="accuracy")
    with pytest.raises(DatasetError, match="one shape"):
        crossed_interval(true, first[:, :-1], video, metric="accuracy")
    with pytest.raises(ConfigError, match="Unknown metric"):
        crossed_interval(true, first, video, metric="other")
    one = cluster_sums(true, first[0], video, "classes", 3)
    other = cluster_sums(true[:-1], first[1][:-1], video[:-1], "classes", 3)
    with pytest.raises(DatasetError, match="same labelled frames"):
        crossed_interval_of([one, other], metric="accuracy")


def test_coverage_of_a_small_sample() -> None:
    simulated = simulation()
    held = simulated.coverage(simulated.rows_crossed(3, 18, 0.08), 200, [3])
    assert 0.91 <= held.share <= 0.995, held


@pytest.mark.nightly
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("spread", ["none", "moderate", "large"])
def test_coverage(seeds: int, spread: str) -> None:
    """A star between equally good rows comes in at most 7 of 100 cases."""
    simulated = simulation()
    deviation = simulated.SEED_SPREADS[spread]
    for videos in simulated.VIDEOS:
        make = simulated.rows_crossed(seeds, videos, deviation)
        held = simulated.coverage(make, 2000, [0, 2, 0, seeds, videos])
        print(f"{seeds} seeds, {videos} videos, {spread}: {held}")
        assert 0.93 <= held.share <= 0.99, (videos, held)
