"""Subject-independent partition: nobody in two sets, sizes and labels near what was wished."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest

from kaffect.curation.partition import Counts, count_labels, groups, partition, shares
from kaffect.data.subjects import leaks
from kaffect.data.track_labels import read_track_labels
from kaffect.errors import ConfigError, DatasetError
from tests.data.drawing import write_labels

SETS = ("train", "validation", "test")


def random_counts(tracks: int, attributes: int, seed: int) -> Counts:
    """Frames of very different videos, and labels that come in some of them."""
    rng = np.random.default_rng(seed)
    frames = rng.gamma(1.2, 3000, tracks).round() + 90
    labels = frames[:, None] * rng.dirichlet(np.full(attributes, 0.3), tracks)
    names = ("frames", *(f"label {n}" for n in range(attributes)))
    weights = np.array([8.0, *[4 / attributes] * attributes])
    values = np.concatenate([frames[:, None], labels.round()], axis=1)
    return Counts(names, weights, tuple(f"t{n:03d}" for n in range(tracks)), values)


def alone(counts: Counts) -> dict[str, int]:
    return {track: number for number, track in enumerate(counts.tracks)}


def worst(counts: Counts, sets: dict[str, int], ratios: tuple[float, ...]) -> tuple[float, float]:
    """(of frames, of any label): the largest distance of a share from its ratio."""
    off = {
        name: max(abs(share - ratio) for share, ratio in zip(values, ratios))
        for name, values in shares(counts, sets, len(ratios)).items()
    }
    return off.pop("frames"), max(off.values())


def test_the_papers_sizes() -> None:
    """64 people and 8 Action Units as in Section II-D.1: every share within a few per cent."""
    counts = random_counts(64, 8, seed=0)
    ratios = (107_661 / 180_000, 23_134 / 180_000, 49_205 / 180_000)
    sets = partition(counts, alone(counts), ratios)
    frames, labels = worst(counts, sets, ratios)
    assert frames < 0.01 and labels < 0.04
    rng = np.random.default_rng(0)
    by_chance = [
        worst(counts, dict(zip(counts.tracks, rng.choice(3, 64, p=ratios).tolist())), ratios)
        for _ in range(20)
    ]
    assert np.median([label for _, label in by_chance]) > 4 * labels


def test_as_good_as_trying_everything() -> None:
    """Against all 3^7 ways to deal seven groups."""
    reached = 0
    for seed in range(8):
        counts, ratios = random_counts(7, 4, seed), (0.6, 0.15, 0.25)
        found = partition(counts, alone(counts), ratios, seed=1)
        ways = (w for w in itertools.product(range(3), repeat=7) if len(set(w)) == 3)
        best = min(cost(counts, way, ratios) for way in ways)
        own = cost(counts, tuple(found[track] for track in counts.tracks), ratios)
        assert own <= 1.3 * best
        reached += own <= best + 1e-9
    assert reached >= 6


def cost(counts: Counts, sets: tuple[int, ...], ratios: tuple[float, ...]) -> float:
    """The documented measure, written down once more."""
    values = np.concatenate([counts.values, np.ones((len(sets), 1))], axis=1)
    weights = np.append(counts.weights, 2.0)
    there = np.array([values[np.array(sets) == s].sum(axis=0) for s in range(len(ratios))])
    share = there / values.sum(axis=0)
    off = (share - np.array(ratios)[:, None]) ** 2 / np.array(ratios)[:, None]
    return float((weights * off).sum())


def test_1000_random_graphs_leak_nothing() -> None:
    """Against the leak checker, and against a search of the components by hand."""
    chance = random.Random(0)
    joined = 0
    for number in range(1000):
        tracks = [f"t{n}" for n in range(chance.randrange(3, 12))]
        videos = {t: f"v{chance.randrange(3 * len(tracks))}" for t in tracks}
        people = {t: chance.choice([None, f"p{chance.randrange(2 * len(tracks))}"]) for t in tracks}
        group = groups(videos, people)
        for a, b in itertools.combinations(tracks, 2):
            shared = videos[a] == videos[b] or (people[a] is not None and people[a] == people[b])
            assert not shared or group[a] == group[b]
        joined += len(set(group.values())) < len(tracks)
        assert len(set(group.values())) == components(videos, people)
        if number % 5:
            continue  # dealing takes longer than grouping
        counts = random_counts(len(tracks), 2, number)
        counts = Counts(counts.names, counts.weights, tuple(tracks), counts.values)
        if len(set(group.values())) < 3:
            with pytest.raises(DatasetError, match="groups of videos that share nobody"):
                partition(counts, group, (1, 1, 1))
            continue
        sets = partition(counts, group, (0.6, 0.2, 0.2), seed=number)
        assert set(sets.values()) == {0, 1, 2}
        assert not leaks((t, SETS[sets[t]], videos[t], people[t]) for t in tracks)
    assert 300 < joined < 1000


def components(videos: dict[str, str], people: dict[str, str | None]) -> int:
    left, found = set(videos), 0
    while left:
        found += 1
        todo = [left.pop()]
        while todo:
            track = todo.pop()
            near = {
                other for other in left
                if videos[other] == videos[track]
                or (people[track] is not None and people[other] == people[track])
            }  # fmt: skip
            left -= near
            todo += near
    return found


def test_same_seed_same_sets_and_seeds_differ() -> None:
    counts = random_counts(40, 5, 3)
    first = partition(counts, alone(counts), (0.6, 0.15, 0.25), seed=4)
    assert first == partition(counts, alone(counts), (0.6, 0.15, 0.25), seed=4)
    assert first == partition(counts, alone(counts), (60, 15, 25), seed=4), "only shares matter"
    others = [partition(counts, alone(counts), (0.6, 0.15, 0.25), seed=s) for s in range(5, 9)]
    assert any(other != first for other in others)
    for wrong in ((), (1, 0), (1, -1), (1, float("nan"))):
        with pytest.raises(ConfigError):
            partition(counts, alone(counts), wrong)


def test_label_counts(tmp_path: Path) -> None:
    va = write_labels(tmp_path, "VA", "Training", "a", ["0.5,0.5", "-0.5,0", "-5,-5", "0,-1"])
    classes = write_labels(tmp_path, "EXPR", "Training", "a", ["4", "4", "-1"])
    units = write_labels(tmp_path, "AU", "Training", "a", ["1,1,0,0,0,0,0,0", "1" + ",0" * 7])
    labels = read_track_labels("a", {"va": va, "expression": classes, "au": units})
    counts = count_labels({"a": labels})
    found = dict(zip(counts.names, counts.values[0].tolist()))
    assert found["frames"] == 4 and found["va"] == 3 and found["expression"] == 2
    quadrants = {name: found[name] for name in ("V+ A+", "V- A+", "V- A-", "V+ A-")}
    assert quadrants == {"V+ A+": 1, "V- A+": 1, "V- A-": 0, "V+ A-": 1}
    assert (found["Happiness"], found["Anger"], found["AU1"], found["AU2"]) == (2, 0, 2, 1)
