"""Which videos, people and reactions synthetic Aff-Wild has (paper Sections II-B to II-D).

The plan is a small pure function of the settings. Each video is then simulated
and rendered on its own, from its own seed, in any order and on any process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kaffect.labels import SPLITS
from kaffect.synthetic.affect import Episode
from kaffect.synthetic.config import SyntheticConfig
from kaffect.synthetic.prototypes import EXPRESSION_SET_TIME, REACTIONS, UNIT_SET_TIME

# "close or equal to 30" (Section III-A); real collections also hold film and European rates.
FRAME_RATES = (
    (Fraction(30), 0.62), (Fraction(30000, 1001), 0.16), (Fraction(25), 0.10),
    (Fraction(24000, 1001), 0.07), (Fraction(24), 0.03), (Fraction(50), 0.02),
)  # fmt: skip
# Section II-B: 40 of 64 male; Section II-C: 25 of 56.
_MALE_SHARE = {"expression": 25 / 56, "au": 40 / 64}


@dataclass(frozen=True)
class TrackPlan:
    """One person in one video.

    Attributes:
        name: annotation and box files are called so.
        subject: the same string for the same person.
        seed: of this person's look and behaviour.
        episodes: reactions in order; they fill the video.
        place: 0 alone, -1 left of two, 1 right of two.
    """

    name: str
    subject: str
    gender: str
    seed: int
    episodes: tuple[Episode, ...]
    place: int


@dataclass(frozen=True)
class VideoPlan:
    """One video file; `task` ("expression" or "au") is the set that it was made for."""

    name: str
    task: str
    split: str
    fps: Fraction
    size: tuple[int, int]
    frames: int
    seed: int
    tracks: tuple[TrackPlan, ...]
    config: SyntheticConfig

    @property
    def tasks(self) -> tuple[str, ...]:
        """Its labels beside valence/arousal: of its set, or of both (`joint_share`)."""
        drawn = derived_seed(self.config.seed, "joint", self.name) / 2**63
        return ("expression", "au") if drawn < self.config.joint_share else (self.task,)


def derived_seed(*parts: object) -> int:
    """A 63-bit seed that depends on every part and on nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def make_plan(config: SyntheticConfig) -> tuple[VideoPlan, ...]:
    """Every video of the data set, in the order of its number.

    Numbers are shuffled over sets and splits: a file name gives no hint.
    """
    rng = np.random.default_rng(derived_seed(config.seed, "plan"))
    slots = [("expression", s) for s, n in zip(SPLITS, config.expression_videos) for _ in range(n)]
    slots += [("au", s) for s, n in zip(SPLITS, config.au_videos) for _ in range(n)]
    pair = _two_person_slot(config)
    numbers = rng.permutation(len(slots)) + 1
    subjects = _subjects(rng, slots, pair)
    quotas: dict[tuple[str, str], _Quota] = {}
    videos = []
    for slot, (task, split) in enumerate(slots):
        quota = quotas.setdefault((task, split), _Quota(task, rng))
        videos.append(_video(config, rng, task, split, int(numbers[slot]), subjects[slot], quota))
    return tuple(sorted(videos, key=lambda video: video.name))


def _two_person_slot(config: SyntheticConfig) -> int | None:
    """Section II-C: 55 videos show 56 people, so that one video shows two."""
    if config.expression_videos[0] >= 2:
        return 1
    return sum(config.expression_videos) + 1 if config.au_videos[0] >= 2 else None


def _subjects(
    rng: np.random.Generator, slots: list[tuple[str, str]], pair: int | None
) -> list[list[tuple[str, str]]]:
    """(subject, gender) of each video; the numbers of men and women of Section II, rounded."""
    counts = [2 if slot == pair else 1 for slot in range(len(slots))]
    genders: dict[str, list[str]] = {}
    for task, share in _MALE_SHARE.items():
        total = sum(c for c, (t, _) in zip(counts, slots) if t == task)
        men = round(share * total)
        genders[task] = list(rng.permutation(["male"] * men + ["female"] * (total - men)))
    labels = list(rng.permutation(sum(counts)) + 1)
    return [
        [(f"subject_{int(labels.pop()):03d}", str(genders[task].pop())) for _ in range(count)]
        for count, (task, _) in zip(counts, slots)
    ]


def _video(
    config: SyntheticConfig,
    rng: np.random.Generator,
    task: str,
    split: str,
    number: int,
    people: list[tuple[str, str]],
    quota: _Quota,
) -> VideoPlan:
    name = f"{number:03d}"
    seed = derived_seed(config.seed, "video", number)
    rates = [rate for rate, _ in FRAME_RATES]
    fps = rates[int(rng.choice(len(rates), p=[weight for _, weight in FRAME_RATES]))]
    seconds = config.seconds * float(rng.uniform(0.67, 1.33))
    sizes = config.sizes
    size = sizes[int(rng.integers(len(sizes)))]
    if len(people) == 2:
        size = max(sizes, key=lambda s: (s[0] / s[1], s[0]))
    tracks = []
    for place, (subject, gender) in zip((-1, 1) if len(people) == 2 else (0,), people):
        suffix = {-1: "_left", 0: "", 1: "_right"}[place]
        person_seed = derived_seed(config.seed, "subject", subject)
        tracks.append(
            TrackPlan(name + suffix, subject, gender, person_seed, quota.fill(seconds), place)
        )
    frames = max(2, round(seconds * fps))
    return VideoPlan(name, task, split, fps, size, frames, seed, tuple(tracks), config)


class _Quota:
    """Deals reactions: each set keeps its shares of time, each split has every class."""

    def __init__(self, task: str, rng: np.random.Generator) -> None:
        self._rng, self._task = rng, task
        self._share = EXPRESSION_SET_TIME if task == "expression" else UNIT_SET_TIME
        total = sum(self._share.values())
        self._share = {name: share / total for name, share in self._share.items()}
        self._given = dict.fromkeys(self._share, 0.0)
        self._all = 0.0
        self._extra = {(r, u): 0.0 for r, kind in REACTIONS.items() for u in kind.sometimes}

    def fill(self, seconds: float) -> tuple[Episode, ...]:
        """Episodes of 1.2 to 2.8 s, one after another, until `seconds` are full."""
        episodes: list[Episode] = []
        begin, last = 0.0, ""
        while begin < seconds:
            length = min(float(self._rng.uniform(1.2, 2.8)), seconds - begin)
            if seconds - begin - length < 0.9:
                length = seconds - begin
            want = {
                name: share * (self._all + length) - self._given[name] + 0.35 * self._rng.random()
                for name, share in self._share.items()
                if name != last or len(self._share) == 1
            }
            name = max(want, key=lambda key: want[key])
            self._given[name] += length
            self._all += length
            episodes.append(Episode(name, begin, begin + length, self._extras(name, length)))
            begin, last = begin + length, name
        return tuple(episodes)

    def _extras(self, reaction: str, length: float) -> tuple[str, ...]:
        """Which optional units this episode of `length` seconds has; dealt, so that shares hold."""
        chosen = []
        for unit, share in REACTIONS[reaction].shares(self._task).items():
            owed = share * self._given[reaction] - self._extra[reaction, unit]
            if owed > length * self._rng.uniform(0.1, 0.9):
                self._extra[reaction, unit] += length
                chosen.append(unit)
        return tuple(chosen)
