"""Several annotators -> one annotation (paper Section III-C, III-D).

An Action Unit counts where all annotators mark it, an expression only where all name
the same one. Valence and arousal are averaged after each annotator's delay is
corrected. Not in the paper: the delay, and what a unit without unanimity becomes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kaffect.curation.experts import Ratings, TrialDelay
from kaffect.data.annotations.files import Annotation
from kaffect.errors import ConfigError, DatasetError, expected_received
from kaffect.labels import TASK_BY_NAME

DISAGREEMENTS = ("zero", "masked")
REFERENCES = ("earliest", "mean", "trial")
# Finer than any joystick; keeps the files short.
_DECIMALS = 6


@dataclass(frozen=True)
class MergeSettings:
    """Settings of the merge that the paper leaves open.

    Attributes:
        units: an Action Unit that some annotators mark and some do not: 'zero' (not
            active), or 'masked' (the frame has no Action Unit label).
        max_lag: frames by which one annotator may follow another; 0 corrects nothing.
        reference: whose time counts: 'earliest' (nobody reacts before the event), 'mean', or
            'trial': each annotator is moved by the delay that a trial with known answers
            measured, so that the time is the event's own.
        min_correlation: below it two annotators say nothing about each other's delay.
        review_range: valence or arousal further apart than this is listed for review.
    """

    units: str = "zero"
    max_lag: int = 30
    reference: str = "earliest"
    min_correlation: float = 0.3
    review_range: float = 0.5

    def __post_init__(self) -> None:
        if self.units not in DISAGREEMENTS:
            raise ConfigError(expected_received("units", DISAGREEMENTS, self.units))
        if self.reference not in REFERENCES:
            raise ConfigError(expected_received("reference", REFERENCES, self.reference))
        if self.max_lag < 0 or not 0 <= self.min_correlation <= 1 or self.review_range <= 0:
            raise ConfigError(
                "max_lag must be 0 or more, min_correlation in [0, 1], review_range above 0"
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Merged:
    """One track's merged annotation.

    Attributes:
        annotation: what all agree on, or the mean.
        aligned: [annotators, frames, width] ratings, delays corrected; NaN where missing.
        lags: [annotators] int, frames by which each annotator was moved forward in time.
    """

    ratings: Ratings
    annotation: Annotation
    aligned: np.ndarray
    lags: np.ndarray


@dataclass(frozen=True)
class Disagreement:
    """A run of frames on which the annotators differ in the same way; frames from 1.

    Attributes:
        label: the Action Unit, 'expression', 'valence' or 'arousal'.
        said: what each annotator said, in the order of `Ratings.annotators`; the mean of
            the run for valence and arousal.
    """

    track: str
    task: str
    label: str
    first_frame: int
    last_frame: int
    said: tuple[str, ...]


def merge(
    ratings: Ratings, settings: MergeSettings, trials: Mapping[str, TrialDelay] | None = None
) -> Merged:
    """Merge one track of one task.

    Args:
        trials: annotator -> what the trial says, for the reference 'trial'.

    Raises:
        DatasetError: the reference is 'trial', and a trial is missing or was not passed.
    """
    values = np.where(ratings.valid[:, :, None], ratings.values.astype(np.float64), np.nan)
    lags = np.zeros(len(values), np.int64)
    if ratings.task == "va":
        if settings.reference == "trial":
            lags = _trial_lags(ratings, trials or {})
        else:
            lags = estimate_lags(values, settings)
        values = np.stack([_moved(v, lag) for v, lag in zip(values, lags.tolist())])
        merged = _mean(values)
    elif ratings.task == "expression":
        merged = _unanimous(values)
    else:
        merged = _active(values, settings.units)
    valid = ~np.isnan(merged).any(axis=1)
    dtype = ratings.annotations[0].values.dtype
    labels = np.where(valid[:, None], merged, TASK_BY_NAME[ratings.task].missing).astype(dtype)
    first = ratings.annotations[0]
    annotation = Annotation(ratings.task, ratings.columns, labels, valid, first.path)
    return Merged(ratings, annotation, values, lags)


def _trial_lags(ratings: Ratings, trials: Mapping[str, TrialDelay]) -> np.ndarray:
    for name in ratings.annotators:
        if name not in trials or trials[name].flagged:
            what = "was not passed" if name in trials else "is missing"
            raise DatasetError(
                f"the trial of annotator {name!r} {what}, so their delay is not known. Let them "
                "do it again, leave out their folder, or use the reference 'earliest' or 'mean'"
            )
    return np.array([trials[name].delay for name in ratings.annotators], np.int64)


def _active(values: np.ndarray, units: str) -> np.ndarray:
    """1 where all mark the unit, else 0; NaN where a rating is missing or (masked) they differ."""
    low, high = values.min(axis=0), values.max(axis=0)  # NaN where any is NaN
    if units == "masked":
        low[(low != high).any(axis=1)] = np.nan
    return low


def _unanimous(values: np.ndarray) -> np.ndarray:
    low, high = values.min(axis=0), values.max(axis=0)
    return np.where(low == high, low, np.nan)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the annotators that have a rating; NaN where fewer than half have one."""
    there = ~np.isnan(values).any(axis=2)
    count = there.sum(axis=0)
    total = np.where(there[:, :, None], values, 0).sum(axis=0)
    enough = 2 * count >= len(values)
    mean = np.full(values.shape[1:], np.nan)
    mean[enough] = total[enough] / count[enough, None]
    return np.clip(mean, -1, 1).round(_DECIMALS)


def _moved(values: np.ndarray, lag: int) -> np.ndarray:
    """Frame f takes what was said at f + lag; NaN where the file has no such line."""
    moved = np.full_like(values, np.nan)
    frames = len(values)
    if lag >= 0:
        moved[: max(frames - lag, 0)] = values[lag:]
    else:
        moved[-lag:] = values[:lag]
    return moved


def estimate_lags(values: np.ndarray, settings: MergeSettings) -> np.ndarray:
    """By how many frames each annotator is late.

    Each pair's delay is the shift at which valence and arousal correlate most; the
    delays of all annotators are fitted to those of the pairs by least squares.

    Args:
        values: [annotators, frames, 2], NaN where missing.

    Returns:
        [annotators] int: >= 0 and 0 for the first (reference 'earliest'), or around 0.
    """
    people, frames = values.shape[:2]
    most = min(settings.max_lag, frames // 4)
    rows, delays = [], []
    for i, j in itertools.combinations(range(people), 2):
        delay, correlation = _delay(values[i], values[j], most)
        if correlation >= settings.min_correlation:
            row = np.zeros(people)
            row[j], row[i] = 1, -1
            rows.append(row)
            delays.append(delay)
    if not rows:
        return np.zeros(people, np.int64)
    # The solution of least norm: delays around their mean, 0 for annotators without any pair.
    solved = np.linalg.lstsq(np.stack(rows), np.array(delays, float), rcond=None)[0]
    if settings.reference == "earliest":
        solved = solved - solved.min()
    return np.rint(solved).astype(np.int64)


def _delay(first: np.ndarray, second: np.ndarray, most: int) -> tuple[int, float]:
    """(shift, correlation) at which `second[f + shift]` follows `first[f]` best."""
    best, found = -np.inf, 0
    for shift in sorted(range(-most, most + 1), key=abs):
        a = first[max(-shift, 0) : len(first) - max(shift, 0)]
        b = second[max(shift, 0) : len(second) - max(-shift, 0)]
        correlation = _correlation(a, b)
        if correlation > best + 1e-12:
            best, found = correlation, shift
    return found, best


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of both dimensions together; -1 where one does not move."""
    there = ~(np.isnan(a).any(axis=1) | np.isnan(b).any(axis=1))
    if there.sum() < 2:
        return -1.0
    a, b = a[there] - a[there].mean(axis=0), b[there] - b[there].mean(axis=0)
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 1e-12 else -1.0


def disagreements(merged: Merged, settings: MergeSettings) -> Iterator[Disagreement]:
    """Every run of frames for review, column by column."""
    ratings, values = merged.ratings, merged.aligned
    complete = ~np.isnan(values).any(axis=(0, 2))
    names = ("expression",) if ratings.task == "expression" else ratings.columns
    for column, label in enumerate(names):
        votes = values[:, :, column]
        spread = np.where(complete, np.ptp(np.where(complete, votes, 0), axis=0), 0)
        limit = settings.review_range if ratings.task == "va" else 0
        differ = spread > limit
        change = np.any(votes[:, 1:] != votes[:, :-1], axis=0)
        if ratings.task == "va":
            change = np.zeros_like(change)
        for first, last in _runs(differ, change):
            yield Disagreement(
                ratings.track, ratings.task, label, first + 1, last + 1,
                tuple(_said(ratings, v[first : last + 1]) for v in votes),
            )  # fmt: skip


def _said(ratings: Ratings, votes: np.ndarray) -> str:
    if ratings.task == "expression":
        return ratings.columns[int(votes[0])]
    return f"{votes.mean():.2f}" if ratings.task == "va" else f"{int(votes[0])}"


def _runs(wanted: np.ndarray, change: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, last) of each run of `wanted` frames, cut where `change` [frames - 1] is set."""
    begins = wanted.copy()
    begins[1:] &= ~wanted[:-1] | change
    ends = wanted.copy()
    ends[:-1] &= ~wanted[1:] | change
    yield from zip(np.flatnonzero(begins).tolist(), np.flatnonzero(ends).tolist())
