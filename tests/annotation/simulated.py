"""Simulated annotators of a trial: good ones follow the target, random ones nothing."""

from __future__ import annotations

import numpy as np

from kaffect.annotation.labels import Take
from kaffect.annotation.trial import SECONDS, target

RATE = 60  # samples a second
NOISE = 0.15


def _low_passed(values: np.ndarray, seconds: float) -> np.ndarray:
    """A filter of first order, as a hand's."""
    share = 1 - np.exp(-1 / (RATE * seconds))
    out = np.empty_like(values)
    state = values[0]
    for n, value in enumerate(values):
        state = state + share * (value - state)
        out[n] = state
    return out


def _take(trace: np.ndarray) -> Take:
    times = np.arange(len(trace)) / RATE
    samples = [[t, int(t * 30), x, y, 0.0] for t, (x, y) in zip(times.tolist(), trace.tolist())]
    return Take(("valence", "arousal"), "mouse", "bounded", samples, SECONDS)


def good(seed: int, rng: np.random.Generator) -> Take:
    """Delay 0.2 to 3 s in all, gain 0.6 to 1.2, low-passed, noise of 0.15."""
    reaction, hand = rng.uniform(0.2, 3.0), rng.uniform(0.05, 0.2)
    wanted, times = target(seed), np.arange(SECONDS * RATE) / RATE
    late = times - max(reaction - hand, 0.0)
    trace = np.stack([np.interp(late * 30 - 0.5, np.arange(len(wanted)), w) for w in wanted.T], 1)
    noise = _low_passed(rng.normal(0, 1, trace.shape), 0.1)
    noise *= NOISE / noise.std()
    return _take(np.clip(rng.uniform(0.6, 1.2) * _low_passed(trace, hand) + noise, -1, 1))


def random(seed: int, rng: np.random.Generator) -> Take:
    """A movement of the target's own kind, with no relation to it."""
    return good(int(rng.integers(1 << 40, 1 << 41)), rng)


def delayed(seed: int, frames: float) -> Take:
    """The target itself, so many frames later and without any fault."""
    wanted, times = target(seed), np.arange(SECONDS * RATE) / RATE
    places = times * 30 - 0.5 - frames
    trace = [np.interp(places, np.arange(len(wanted)), w) for w in wanted.T]
    return _take(np.stack(trace, axis=1))
