"""Subject-independent partition into training, validation and test set (paper Section II-D).

"If a video in one set contained one person that was also present in other videos,
then all videos containing this person should be added to the same set": tracks that
share a person or a video form a group (a connected component), which is assigned as a whole.

Not in the paper: how. Here the shares of everything that is counted (frames, videos,
frames of each task, of each expression, Action Unit and quadrant of the VA plane)
come as near to the wanted ratios as moves and swaps of groups bring them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kaffect.data.annotations.files import Annotation
from kaffect.errors import ConfigError, DatasetError, expected_received

# Size counts for more than balance: ratios are about frames, then videos.
_WEIGHTS = {"frames": 8.0, "videos": 2.0, "tasks": 2.0, "labels": 4.0}
_FEWEST_STARTS, _MOST_STARTS = 6, 16  # a small tree is searched more often
_SWAP_LIMIT = 400  # groups up to which all pairs are tried at once
QUADRANTS = ("V+ A+", "V- A+", "V- A-", "V+ A-")


@dataclass(frozen=True, eq=False)
class Counts:
    """What each track holds.

    Attributes:
        names: of the attributes: 'frames', 'videos', 'va', ..., 'expression Anger', 'AU1'.
        weights: [attributes], how much each matters.
        tracks: their names; values: [tracks, attributes].
    """

    names: tuple[str, ...]
    weights: np.ndarray
    tracks: tuple[str, ...]
    values: np.ndarray


def count_labels(labels: Mapping[str, Mapping[str, Annotation]]) -> Counts:
    """Count the labels of each track; a video of two tracks counts once, with the first."""
    tracks = tuple(sorted(labels))
    columns: dict[str, np.ndarray] = {"frames": np.zeros(len(tracks))}
    kinds = {"frames": "frames"}
    for place, track in enumerate(tracks):
        columns["frames"][place] = max((len(a) for a in labels[track].values()), default=0)
        for task, annotation in labels[track].items():
            for name, kind, count in _counted(task, annotation):
                column = columns.setdefault(name, np.zeros(len(tracks)))
                column[place] += count
                kinds[name] = kind
    shares = {kind: list(kinds.values()).count(kind) for kind in dict.fromkeys(kinds.values())}
    weights = np.array([_WEIGHTS[kind] / shares[kind] for kind in kinds.values()])
    return Counts(tuple(columns), weights, tracks, np.stack(list(columns.values()), axis=1))


def _counted(task: str, annotation: Annotation) -> list[tuple[str, str, int]]:
    values = annotation.values[annotation.valid]
    found = [(task, "tasks", len(values))]
    if task == "va":
        up, right = values[:, 1] >= 0, values[:, 0] >= 0
        quadrants = (right & up, ~right & up, ~right & ~up, right & ~up)
        found += [(n, "labels", int(q.sum())) for n, q in zip(QUADRANTS, quadrants)]
    elif task == "expression":
        counts = np.bincount(values[:, 0], minlength=len(annotation.columns))
        found += [(n, "labels", int(c)) for n, c in zip(annotation.columns, counts)]
    else:
        found += [(n, "labels", int(c)) for n, c in zip(annotation.columns, values.sum(axis=0))]
    return found


def groups(videos: Mapping[str, str], subjects: Mapping[str, str | None]) -> dict[str, int]:
    """Track -> number of its group: tracks of one video or one person are in the same one.

    Args:
        videos: track -> video; subjects: track -> person, None where unknown.
    """
    tracks = sorted(videos)
    holders: dict[tuple[str, str], int] = {}
    rows, columns = [], []
    for place, track in enumerate(tracks):
        keys = [("video", videos[track])]
        person = subjects.get(track)
        keys += [("person", person)] if person is not None else []
        for key in keys:
            rows.append(place)
            columns.append(len(tracks) + holders.setdefault(key, len(holders)))
    size = len(tracks) + len(holders)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    numbers: dict[int, int] = {}
    return {
        track: numbers.setdefault(int(labels[place]), len(numbers))
        for place, track in enumerate(tracks)
    }


def partition(
    counts: Counts, group_of: Mapping[str, int], ratios: Sequence[float], seed: int = 0
) -> dict[str, int]:
    """Track -> number of its set, as near to `ratios` as groups allow.

    Minimises the sum over attributes of weight x sum over sets of (share - ratio)^2 / ratio.
    Groups are assigned one by one to the set that profits most, then moved and swapped while
    that helps; the best of several starts is taken. The same arguments give the same result.

    Args:
        ratios: wanted share of each set, > 0; they are scaled to the sum 1.

    Raises:
        ConfigError: ratios that are not positive.
        DatasetError: fewer groups than sets.
    """
    wanted = np.asarray(ratios, np.float64)
    if wanted.ndim != 1 or not len(wanted) or not (wanted > 0).all():
        raise ConfigError(expected_received("ratios", "numbers above 0", tuple(ratios)))
    wanted = wanted / wanted.sum()
    members = np.array([group_of[track] for track in counts.tracks])
    number = int(members.max(initial=-1)) + 1
    if number < len(wanted):
        raise DatasetError(
            f"{number} groups of videos that share nobody cannot fill {len(wanted)} sets. "
            "Expected more videos of different people, or fewer sets"
        )
    totals = counts.values.sum(axis=0)
    used = totals > 0
    shares = np.zeros((number, int(used.sum())))
    np.add.at(shares, members, counts.values[:, used] / totals[used])
    shares = np.concatenate([shares, np.full((number, 1), 1 / number)], axis=1)
    weights = np.append(counts.weights[used], _WEIGHTS["videos"])
    shares *= np.sqrt(weights)
    search = _Search(shares, np.sqrt(weights), wanted)
    rng = np.random.default_rng(seed)
    starts = int(np.clip(120 // number, _FEWEST_STARTS, _MOST_STARTS))
    found = [search.run(rng, shuffled=start % 2 == 1) for start in range(starts)]
    best = min(found, key=search.cost)
    return {track: int(best[group]) for track, group in zip(counts.tracks, members)}


class _Search:
    """Assigns groups to sets.

    Args:
        shares: [groups, attributes], each group's share of the whole, times root weight.
        scale: [attributes] root weights; ratios: [sets] wanted shares, sum 1.
    """

    def __init__(self, shares: np.ndarray, scale: np.ndarray, ratios: np.ndarray) -> None:
        self._shares, self._ratios = shares, ratios
        self._goal = ratios[:, None] * scale
        self._own = (shares**2).sum(axis=1)
        self._apart: np.ndarray | None = None  # |x_i - x_j|^2 of all pairs, where they are tried
        if len(shares) <= _SWAP_LIMIT:
            self._apart = self._own[:, None] + self._own - 2 * shares @ shares.T

    def _off(self, sets: np.ndarray) -> np.ndarray:
        """[sets, attributes]: what is there minus what is wanted."""
        there = np.zeros_like(self._goal)
        np.add.at(there, sets, self._shares)
        return there - self._goal

    def cost(self, sets: np.ndarray) -> float:
        return float(((self._off(sets) ** 2).sum(axis=1) / self._ratios).sum())

    def run(self, rng: np.random.Generator, shuffled: bool) -> np.ndarray:
        """Assign, largest group first or in a random order, then improve while that is possible."""
        size = self._own
        size = rng.random(len(size)) if shuffled else size * rng.uniform(0.5, 1.5, len(size))
        sets = self._assign(np.argsort(-size, kind="stable"))
        while self._move(sets) or self._swap(sets):
            pass
        return sets

    def _assign(self, order: np.ndarray) -> np.ndarray:
        """Each group in turn to the set that profits most; no set stays empty."""
        sets = np.zeros(len(order), np.int64)
        off = -self._goal.copy()
        for place, group in enumerate(order.tolist()):
            gain = self._change(off, self._shares[group])
            left = len(order) - place
            empty = [s for s in range(len(off)) if not (sets[order[:place]] == s).any()]
            if left <= len(empty):
                gain[[s for s in range(len(off)) if s not in empty]] = np.inf
            chosen = int(np.argmin(gain))
            sets[group] = chosen
            off[chosen] += self._shares[group]
        return sets

    def _change(self, off: np.ndarray, share: np.ndarray) -> np.ndarray:
        """[sets]: change of the cost when `share` is added to each set."""
        return (2 * off @ share + share @ share) / self._ratios

    def _move(self, sets: np.ndarray) -> bool:
        """Make the best move of one group into another set, if any helps."""
        off, wanted = self._off(sets), self._ratios
        own = self._own
        product = self._shares @ off.T  # [groups, sets]
        here = np.take_along_axis(product, sets[:, None], axis=1)[:, 0]
        leave = (own - 2 * here) / wanted[sets]
        change = leave[:, None] + (2 * product + own[:, None]) / wanted
        change[np.arange(len(sets)), sets] = np.inf
        sizes = np.bincount(sets, minlength=len(wanted))
        change[sizes[sets] == 1] = np.inf  # no set is emptied
        group, target = np.unravel_index(int(np.argmin(change)), change.shape)
        if change[group, target] >= -1e-12:
            return False
        sets[group] = target
        return True

    def _swap(self, sets: np.ndarray) -> bool:
        """Make the best swap of two groups, if any helps."""
        if self._apart is None:
            return False
        off, wanted = self._off(sets), self._ratios
        with_sets = self._shares @ off.T
        here = np.take_along_axis(with_sets, sets[:, None], axis=1)[:, 0]
        # Set of i loses x_i and wins x_j: change 2 off.(x_j - x_i) + |x_j - x_i|^2.
        first = (2 * (with_sets[:, sets].T - here[:, None]) + self._apart) / wanted[sets][:, None]
        change = first + first.T
        change[sets[:, None] == sets] = np.inf
        i, j = np.unravel_index(int(np.argmin(change)), change.shape)
        if change[i, j] >= -1e-12:
            return False
        sets[i], sets[j] = sets[j], sets[i]
        return True


def shares(counts: Counts, sets: Mapping[str, int], number: int) -> dict[str, list[float]]:
    """Attribute -> its share in each of `number` sets; those without any count are left out."""
    place = np.array([sets[track] for track in counts.tracks])
    totals = counts.values.sum(axis=0)
    return {
        name: [float(column[place == s].sum() / total) for s in range(number)]
        for name, column, total in zip(counts.names, counts.values.T, totals)
        if total > 0
    }
