"""Latent valence and arousal, and the Action Units that they drive (paper Section I).

A slow mood (Ornstein-Uhlenbeck) plus reactions (EMFACS prototypes) that rise fast
and decay. All that moves valence and arousal also moves the face, so that both
can be read from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.people import Person
from kaffect.synthetic.prototypes import DRAWN_UNITS, REACTIONS, UNIT_COLUMN

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Episode:
    """A stretch of a video, in seconds, that is planned for one reaction.

    Attributes:
        reaction: key of `REACTIONS`.
        extras: those of the reaction's `sometimes` units that it has this time.
    """

    reaction: str
    begin: float
    end: float
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Affect:
    """The truth behind the labels, one row a frame.

    Attributes:
        valence_arousal: [frames, 2] in [-1, 1].
        units: [frames, 16] intensities in [0, 1], as `DRAWN_UNITS`.
        strength: [frames] of the reaction under way, 0..1.
        reaction: [frames] index into `tuple(REACTIONS)`.
    """

    valence_arousal: Array
    units: Array
    strength: Array
    reaction: NDArray[np.int32]


def smooth_noise(rng: np.random.Generator, times: Array, tau: float, channels: int = 1) -> Array:
    """Smooth Gaussian noise of variance 1.

    Args:
        times: [frames] float64, seconds, evenly spaced.
        tau: seconds over which it changes.

    Returns:
        [frames, channels] float64.
    """
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    sigma = max(tau / step, 1e-3)
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    white = rng.standard_normal((len(times) + 2 * reach, channels))
    columns = [np.convolve(white[:, c], kernel, "valid") for c in range(channels)]
    return np.stack(columns, axis=1)


def ornstein_uhlenbeck(rng: np.random.Generator, times: Array, tau: float, sd: float) -> Array:
    """A stationary Ornstein-Uhlenbeck path, lightly smoothed because faces have inertia.

    Args:
        times: [frames] float64, seconds, evenly spaced.
        tau: time constant in seconds; sd: standard deviation.

    Returns:
        [frames] float64 around 0.
    """
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    decay = np.exp(-step / tau)
    kicks = rng.standard_normal(len(times)) * sd * np.sqrt(1 - decay**2)
    path = np.empty(len(times))
    value = rng.standard_normal() * sd
    for i, kick in enumerate(kicks):
        value = decay * value + kick
        path[i] = value
    width = max(1, round(0.2 / step)) | 1
    padded = np.pad(path, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), "valid")


def _ease(t: Array) -> Array:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def envelope(times: Array, begin: float, end: float, rise: float, fall: float, sag: float) -> Array:
    """Strength of one reaction: rises within `rise` seconds, decays at rate `sag`, ends at `end`.

    Args:
        times: [frames] float64, seconds, as `begin`, `end`, `rise` and `fall`.

    Returns:
        [frames] float64 in [0, 1].
    """
    up = _ease((times - begin) / rise)
    down = 1 - _ease((times - (end - fall)) / fall)
    return up * down * np.exp(-sag * np.clip(times - begin - rise, 0, None))


def simulate_affect(
    rng: np.random.Generator, times: Array, episodes: tuple[Episode, ...], person: Person
) -> Affect:
    """Valence, arousal and unit intensities of one person.

    Args:
        times: [frames] float64, seconds, evenly spaced.
    """
    names = tuple(REACTIONS)
    valence = ornstein_uhlenbeck(rng, times, 2.5, 0.11)
    arousal = ornstein_uhlenbeck(rng, times, 2.5, 0.12)
    units = _mood_units(valence, arousal)
    strength = np.zeros(len(times))
    kind = np.full(len(times), names.index("Neutral"), np.int32)
    for episode in episodes:
        reaction = REACTIONS[episode.reaction]
        peak = float(rng.uniform(0.78, 1.0))
        rise, fall = float(rng.uniform(0.18, 0.4)), float(rng.uniform(0.25, 0.5))
        shape = envelope(times, episode.begin, episode.end, rise, fall, float(rng.uniform(0, 0.12)))
        level = peak * shape
        inside = (times >= episode.begin) & (times < episode.end)
        kind[inside] = names.index(episode.reaction)
        strength += np.where(inside, level, 0)
        tone = 1 + 0.1 * rng.standard_normal(2)
        valence = valence + level * reaction.valence_arousal[0] * tone[0]
        arousal = arousal + level * reaction.valence_arousal[1] * tone[1]
        shown = dict(reaction.always)
        shown.update({name: reaction.sometimes[name][1] for name in episode.extras})
        for name, intensity in shown.items():
            jitter = float(rng.uniform(0.85, 1.1)) * person.expressiveness
            column = UNIT_COLUMN[name]
            units[:, column] = np.maximum(units[:, column], level**0.8 * intensity * jitter)
    units = np.clip(units + 0.02 * smooth_noise(rng, times, 0.25, len(DRAWN_UNITS)), 0, 1)
    state = np.clip(np.stack([valence, arousal], axis=1), -0.95, 0.95)
    return Affect(state, units, strength, kind)


def _mood_units(valence: Array, arousal: Array) -> Array:
    """What the slow mood alone does to the face: weak, mostly below what is marked as a unit."""
    units = np.zeros((len(valence), len(DRAWN_UNITS)))
    good, bad = np.clip(valence, 0, None), np.clip(-valence, 0, None)
    units[:, UNIT_COLUMN["AU12"]] = 1.0 * good
    units[:, UNIT_COLUMN["AU6"]] = 0.5 * good
    units[:, UNIT_COLUMN["AU4"]] = 0.6 * bad
    units[:, UNIT_COLUMN["AU15"]] = 0.8 * bad
    units[:, UNIT_COLUMN["AU25"]] = 0.5 * np.clip(arousal, 0, None)
    units[:, UNIT_COLUMN["AU2"]] = 0.4 * np.clip(arousal, 0, None)
    return units


def eye_opening(rng: np.random.Generator, times: Array, arousal: Array) -> Array:
    """Opening of the eyelids: follows arousal, with blinks of 0.15 s.

    Args:
        times: [frames] float64, seconds, evenly spaced.
        arousal: [frames] float64 in [-1, 1].

    Returns:
        [frames] float64 from 0 (closed) over 1 (relaxed) to 1.4.
    """
    opening = np.clip(0.97 + 0.5 * arousal, 0.6, 1.4)
    moment = float(rng.exponential(2.0))
    while moment < times[-1]:
        opening = opening * (1 - np.exp(-(((times - moment) / 0.06) ** 4)))
        moment += 0.8 + float(rng.exponential(3.0))
    return opening
