"""A trial with known answers: how late and how reliable an annotator is (Section III-B, III-C).

The annotator follows a moving target for two minutes. The delay is the shift at which
the trace correlates most with the target, valence and arousal together; the
correlation there is the reliability. The paper measures neither; whoever follows
nothing must not enter its averages unseen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kaffect.annotation.labels import Take
from kaffect.curation.experts import MAX_TRIAL_DELAY
from kaffect.data.video.resample import FPS

SECONDS = 120
# Of 100 simulated good annotators (delay 0.2 to 3 s, gain 0.6 to 1.2, low-passed, noise 0.15)
# the least reliable reached 0.75; of 100 movements without relation to the target the best 0.27.
LEAST_RELIABILITY = 0.5
_HIGHEST = 0.25  # Hz; slower than what a hand can follow, faster than a delay of 3 s blurs
_LEAST_COVERED = 0.8


@dataclass(frozen=True)
class TrialResult:
    """What a trial says about an annotator.

    Attributes:
        delay: frames by which they follow the target, 0 to 90.
        gain: size of their movement over that of the target's.
        reliability: correlation with the target at that delay.
        covered: share of the trial's frames in which they held the pointer.
        flagged: not reliable enough to be averaged.
    """

    delay: int
    gain: float
    reliability: float
    covered: float
    flagged: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def target(seed: int, seconds: int = SECONDS) -> np.ndarray:
    """[frames, 2] in [-0.9, 0.9]: where the target is in each frame of the trial.

    A sum of sines with random phases and frequencies from 0.02 to 0.25 Hz, each dimension
    with its own, so that no shift within the trial repeats it.
    """
    rng = np.random.default_rng(seed)
    times = np.arange(seconds * FPS) / FPS
    curves = []
    for _ in range(2):
        frequency = rng.uniform(0.02, _HIGHEST, 24)
        phase = rng.uniform(0, 2 * np.pi, 24)
        curve = np.sin(2 * np.pi * np.outer(times, frequency) + phase).sum(axis=1)
        curves.append(0.9 * curve / np.abs(curve).max())
    return np.stack(curves, axis=1)


def score(wanted: np.ndarray, trace: np.ndarray) -> TrialResult:
    """Compare a trace with the target.

    Args:
        wanted: [frames, 2], of `target`.
        trace: [frames, 2], NaN where the annotator held nothing.
    """
    best, delay = -1.0, 0
    for shift in range(min(MAX_TRIAL_DELAY, len(wanted) // 4) + 1):
        correlation = _correlation(wanted[: len(wanted) - shift], trace[shift:])
        if correlation > best + 1e-12:
            best, delay = correlation, shift
    there = ~np.isnan(trace).any(axis=1)
    covered = float(there.mean())
    gain = _gain(wanted[: len(wanted) - delay], trace[delay:])
    flagged = best < LEAST_RELIABILITY or covered < _LEAST_COVERED
    return TrialResult(delay, round(gain, 4), round(best, 4), round(covered, 4), flagged)


def score_take(seed: int, take: Take) -> TrialResult:
    """The result of a recorded trial."""
    wanted = target(seed)
    trace = np.full_like(wanted, np.nan)
    first, values = take.per_frame(len(wanted))
    trace[first : first + len(values)] = values
    return score(wanted, trace)


def latest_result(seed: int, trials: Sequence[tuple[float, Take]]) -> TrialResult | None:
    """Of the last trial that was held to its end, or None."""
    results = [score_take(seed, take) for _, take in trials if len(take.samples) > 1]
    whole = [result for result in results if result.covered >= _LEAST_COVERED]
    return whole[-1] if whole else None


def _centred(wanted: np.ndarray, trace: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    there = ~np.isnan(trace).any(axis=1)
    if there.sum() < 2:
        return np.zeros((0, 2)), np.zeros((0, 2))
    a, b = wanted[there], trace[there]
    return a - a.mean(axis=0), b - b.mean(axis=0)


def _correlation(wanted: np.ndarray, trace: np.ndarray) -> float:
    """Pearson's correlation of both dimensions together; -1 where nothing moves."""
    a, b = _centred(wanted, trace)
    scale = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / scale if scale > 1e-12 else -1.0


def _gain(wanted: np.ndarray, trace: np.ndarray) -> float:
    a, b = _centred(wanted, trace)
    return float((a * b).sum() / (a**2).sum()) if (a**2).sum() > 1e-12 else 0.0
