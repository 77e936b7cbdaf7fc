"""Prints how often the 95 % intervals of kaffect.metrics hold, on simulated videos.

    python scripts/interval_coverage.py [--repeats 2000] [--seed 0] [--part rows|crossed|choice|all]

Every repeat draws new videos (and new seeds of training) from a population whose true score is
known by formula, and asks whether the interval contains it. Frames of a video share its mean,
its difficulty and their neighbours' errors. Behind each coverage stands its Monte Carlo
standard error. Nothing is trained, and no data is read: these are numbers about the method.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.metrics import ccc, clustered_interval, crossed_interval, paired_interval  # noqa: E402
from kaffect.metrics.crossed import error_parts  # noqa: E402
from kaffect.metrics.jackknife import quantile  # noqa: E402

VIDEOS = (10, 18, 30, 76)
SEEDS = (3, 5, 10)
FRAMES = 60  # of a video, on average
PERSISTENCE = 0.9  # correlation of neighbouring frames

# Valence: spread of video means and inside a video; a model: gain, offset, error that is
# constant over a video, error that varies in it.
BETWEEN, WITHIN = 0.3, 0.3
GAIN, OFFSET, VIDEO_ERROR, FRAME_ERROR = 0.8, 0.05, 0.15, 0.25
# Two rows over seeds: what all models share, what a row shares, what each seed adds.
SHARED_VIDEO, ROW_VIDEO, SEED_VIDEO, SHARED_FRAME, SEED_FRAME = 0.15, 0.1, 0.08, 0.2, 0.15
SEED_SPREADS = {"none": 0.0, "moderate": 0.08, "large": 0.2}  # deviation of a seed's gain

PRIOR = np.array([0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05])  # of expressions
RATES = np.array([0.5, 0.4, 0.3, 0.3, 0.2, 0.2, 0.15, 0.1])  # of Action Units
SKILL = (7.0, 3.0)  # Beta distribution of a video's share of segments that are recognised
SEGMENT = 5  # frames with one expression

Generator = np.random.Generator


class Coverage(NamedTuple):
    """The share of repeats whose interval held, its standard error, and the mean width."""

    share: float
    error: float
    width: float

    def __str__(self) -> str:
        return f"{self.share:.3f} ± {self.error:.3f}"


def coverage(
    draw: Callable[[Generator], tuple[float, float, float]], repeats: int, seed: list[int]
) -> Coverage:
    """How often `draw` (truth, low, high) holds; repeat i depends on `seed` and i alone."""
    held, widths = 0, 0.0
    for number in range(repeats):
        truth, low, high = draw(np.random.default_rng([*seed, number]))
        held += low <= truth <= high
        widths += high - low
    share = held / repeats
    return Coverage(share, float(np.sqrt(share * (1 - share) / repeats)), widths / repeats)


def noise(generator: Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Stationary first-order autoregression of variance 1 along the last axis."""
    steps = generator.standard_normal(shape)
    steps[..., 1:] *= np.sqrt(1 - PERSISTENCE**2)
    return lfilter([1.0], [1.0, -PERSISTENCE], steps, axis=-1)


def chosen_frames(
    generator: Generator, videos: int, unequal: bool
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Which of [videos, time] are there, and the video of each: equal or log-normal lengths."""
    if not unequal:
        return np.ones((videos, FRAMES), bool), np.repeat(np.arange(videos), FRAMES)
    spread = 0.8
    mean = FRAMES / np.exp(spread**2 / 2)
    lengths = mean * np.exp(spread * generator.standard_normal(videos))
    lengths = np.clip(lengths, 5, 10 * FRAMES).astype(int)
    there = np.arange(10 * FRAMES) < lengths[:, np.newaxis]
    return there, np.nonzero(there)[0]


def concordance(gain: NDArray | float, offset: NDArray | float, error: float) -> NDArray | float:
    """CCC of the population: labels of this variance, predictions gain * label + offset + error."""
    variance = BETWEEN**2 + WITHIN**2
    return 2 * gain * variance / (variance * (1 + gain**2) + error + offset**2)


def valence(generator: Generator, videos: int, models: int, unequal: bool) -> tuple:
    """Labels [n], predictions [models, n] of equally good models, videos [n], the true CCC."""
    there, video = chosen_frames(generator, videos, unequal)
    shape = there.shape
    true = BETWEEN * generator.standard_normal((videos, 1)) + WITHIN * noise(generator, shape)
    constant = VIDEO_ERROR * generator.standard_normal((models, videos, 1))
    pred = GAIN * true + OFFSET + constant + FRAME_ERROR * noise(generator, (models, *shape))
    truth = concordance(GAIN, OFFSET, VIDEO_ERROR**2 + FRAME_ERROR**2)
    return true[there], pred[:, there], video, truth


def one_row(videos: int, unequal: bool = False) -> Callable:
    """CCC of one model."""

    def draw(generator: Generator) -> tuple[float, float, float]:
        true, (pred,), video, truth = valence(generator, videos, 1, unequal)
        return truth, *clustered_interval(true, pred, video)[1:]

    return draw


def two_rows(videos: int, unequal: bool = False) -> Callable:
    """Difference of the CCC of two equally good models."""

    def draw(generator: Generator) -> tuple[float, float, float]:
        true, (first, second), video, _ = valence(generator, videos, 2, unequal)
        return 0.0, *paired_interval(true, first, second, video)[1:]

    return draw


def frame_bootstrap(videos: int, resamples: int = 200) -> Callable:
    """CCC of one model with what is often done: a percentile bootstrap over frames."""

    def draw(generator: Generator) -> tuple[float, float, float]:
        true, (pred,), _, truth = valence(generator, videos, 1, False)
        frames = generator.integers(0, len(true), (len(true), resamples))
        low, high = np.quantile(np.asarray(ccc(true[frames], pred[frames])), (0.025, 0.975))
        return truth, low, high

    return draw


def expressions(videos: int, metric: str) -> Callable:
    """Accuracy or macro F1 of seven expressions, of which a video shows few."""
    segments = FRAMES // SEGMENT
    recognised = SKILL[0] / sum(SKILL)
    f1 = recognised + (1 - recognised) * PRIOR
    truth = float(PRIOR @ f1) if metric == "accuracy" else float(f1.mean())

    def classes(generator: Generator, shares: NDArray) -> NDArray[np.intp]:
        edges = shares.cumsum(axis=-1)[:, np.newaxis]
        drawn = generator.random((videos, segments, 1))
        return np.minimum((drawn > edges).sum(axis=-1), len(PRIOR) - 1)

    def draw(generator: Generator) -> tuple[float, float, float]:
        true = classes(generator, generator.dirichlet(3 * PRIOR, videos))
        skill = generator.beta(*SKILL, (videos, 1))
        guess = classes(generator, np.tile(PRIOR, (videos, 1)))
        pred = np.where(generator.random(true.shape) < skill, true, guess)
        true, pred = (np.repeat(x, SEGMENT, axis=1).ravel() for x in (true, pred))
        video = np.repeat(np.arange(videos), segments * SEGMENT)
        return truth, *clustered_interval(true, pred, video, metric)[1:]

    return draw


def units(videos: int) -> Callable:
    """Macro F1 of eight Action Units, the rarest in a tenth of the frames."""
    segments = FRAMES // SEGMENT
    right = SKILL[0] / sum(SKILL)
    hits = RATES * right
    truth = float(np.mean(2 * hits / (RATES + hits + (1 - RATES) * (1 - right))))

    def draw(generator: Generator) -> tuple[float, float, float]:
        rates = generator.beta(3 * RATES, 3 * (1 - RATES), (videos, len(RATES)))[:, np.newaxis]
        true = generator.random((videos, segments, len(RATES))) < rates
        skill = generator.beta(*SKILL, (videos, 1, 1))
        pred = np.where(generator.random(true.shape) < skill, true, ~true)
        true, pred = (np.repeat(x, SEGMENT, axis=1).reshape(-1, len(RATES)) for x in (true, pred))
        video = np.repeat(np.arange(videos), segments * SEGMENT)
        return truth, *clustered_interval(true, pred, video, "au_f1_macro")[1:]

    return draw


def rows_over_seeds(generator: Generator, seeds: int, videos: int, spread: float) -> tuple:
    """Labels [n], predictions of two equally good rows [2, seeds, n], videos [n]."""
    one, row, each = (1, 1, videos, 1), (2, 1, videos, 1), (2, seeds, videos, 1)
    normal = generator.standard_normal
    true = BETWEEN * normal((videos, 1)) + WITHIN * noise(generator, (videos, FRAMES))
    gain = GAIN + spread * normal((2, seeds, 1, 1))
    offset = OFFSET + 0.5 * spread * normal((2, seeds, 1, 1))
    constant = SHARED_VIDEO * normal(one) + ROW_VIDEO * normal(row) + SEED_VIDEO * normal(each)
    varied = SHARED_FRAME * noise(generator, (1, 1, videos, FRAMES))
    varied = varied + SEED_FRAME * noise(generator, (2, seeds, videos, FRAMES))
    pred = gain * true + offset + constant + varied
    return true.ravel(), pred.reshape(2, seeds, -1), np.repeat(np.arange(videos), FRAMES)


def expected_concordance(spread: float) -> float:
    """Mean over all seeds of the population's CCC, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    error = sum(s**2 for s in (SHARED_VIDEO, ROW_VIDEO, SEED_VIDEO, SHARED_FRAME, SEED_FRAME))
    gain, offset = GAIN + spread * nodes[:, np.newaxis], OFFSET + 0.5 * spread * nodes
    return float(weights @ np.asarray(concordance(gain, offset, error)) @ weights)


def rows_crossed(seeds: int, videos: int, spread: float) -> Callable:
    """Difference of two equally good rows over seeds and videos."""

    def draw(generator: Generator) -> tuple[float, float, float]:
        true, (first, second), video = rows_over_seeds(generator, seeds, videos, spread)
        found = crossed_interval(true, first, video, second)
        return 0.0, found.low, found.high

    return draw


def row_crossed(seeds: int, videos: int, spread: float) -> Callable:
    """Mean of one row over seeds, for other seeds and other videos."""
    truth = expected_concordance(spread)

    def draw(generator: Generator) -> tuple[float, float, float]:
        true, (first, _), video = rows_over_seeds(generator, seeds, videos, spread)
        found = crossed_interval(true, first, video)
        return truth, found.low, found.high

    return draw


ROWS: dict[str, Callable[[int], Callable]] = {
    "CCC": one_row,
    "CCC, lengths log-normal": lambda videos: one_row(videos, unequal=True),
    "CCC, paired difference": two_rows,
    "CCC, paired difference, lengths log-normal": lambda videos: two_rows(videos, unequal=True),
    "accuracy": lambda videos: expressions(videos, "accuracy"),
    "macro F1 of expressions": lambda videos: expressions(videos, "f1_macro"),
    "macro F1 of Action Units": units,
    "CCC, bootstrap over frames": frame_bootstrap,
}


def print_rows(repeats: int, seed: int) -> None:
    print("| 95 % interval over videos | " + " | ".join(f"{n} videos" for n in VIDEOS) + " |")
    print("|---" * (len(VIDEOS) + 1) + "|")
    for number, (name, make) in enumerate(ROWS.items()):
        # The bootstrap is slow, and far enough off to be seen in few repeats.
        count = min(repeats, 300) if make is frame_bootstrap else repeats
        found = [coverage(make(videos), count, [seed, 1, number, videos]) for videos in VIDEOS]
        note = f" ({count} repeats)" if count < repeats else ""
        print(f"| {name}{note} | " + " | ".join(map(str, found)) + " |", flush=True)


def print_crossed(repeats: int, seed: int) -> None:
    print("| 95 % interval over seeds and videos | spread of seeds | seeds | ", end="")
    print(" | ".join(f"{n} videos" for n in VIDEOS) + " |")
    print("|---" * (len(VIDEOS) + 3) + "|")
    kinds = [("paired difference", rows_crossed, spread) for spread in SEED_SPREADS]
    for name, make, spread in [*kinds, ("one row", row_crossed, "moderate")]:
        for seeds in SEEDS:
            # The same draws for every spread.
            key = [seed, 2, int(make is row_crossed), seeds]
            found = [
                coverage(make(seeds, n, SEED_SPREADS[spread]), repeats, [*key, n]) for n in VIDEOS
            ]
            print(
                f"| {name} | {spread} | {seeds} | " + " | ".join(map(str, found)) + " |", flush=True
            )


def half_widths(table: NDArray[np.float64]) -> dict[str, float]:
    """Three intervals for the mean of scores [seeds, videos] in a two-way layout."""
    seeds, videos = table.shape
    scores = table.mean(axis=1)
    left_out = (videos * scores[:, np.newaxis] - table) / (videos - 1)
    alone, clusters = error_parts(scores, left_out)
    whole = float(scores.var(ddof=1)) / seeds  # with the interaction, which is in both then

    def satterthwaite(part: float) -> float:
        freedom = (part + clusters) ** 2 / (part**2 / (seeds - 1) + clusters**2 / (videos - 1))
        return quantile(0.95, freedom) * float(np.sqrt(part + clusters))

    factors = quantile(0.95, seeds - 1.0), quantile(0.95, videos - 1.0)
    return {
        "each part at its own degrees of freedom": float(
            np.sqrt(factors[0] ** 2 * alone + factors[1] ** 2 * clusters)
        ),
        "Satterthwaite, interaction taken off once": satterthwaite(alone),
        "Satterthwaite, interaction counted twice": satterthwaite(whole),
    }


def print_choice(repeats: int, seed: int) -> None:
    """Why the interval over both is what it is: normal effects of seed, video and both, 3 seeds."""
    cells = [(spread, videos) for spread in (0.0, 0.5, 2.0) for videos in (10, 18, 76)]
    held: dict[str, list[float]] = {}
    for spread, videos in cells:
        counts: dict[str, int] = {}
        for number in range(repeats):
            normal = np.random.default_rng([seed, 3, videos, number]).standard_normal
            table = spread * normal((3, 1)) + normal((1, videos)) + normal((3, videos))
            for name, half in half_widths(table).items():
                counts[name] = counts.get(name, 0) + int(abs(table.mean()) <= half)
        for name, count in counts.items():
            held.setdefault(name, []).append(count / repeats)
    names = [f"{spread:g}, {videos} videos" for spread, videos in cells]
    print("| 3 seeds, spread of seeds / of videos | " + " | ".join(names) + " |")
    print("|---" * (len(cells) + 1) + "|")
    for name, shares in held.items():
        each = (f"{s:.3f} ± {np.sqrt(s * (1 - s) / repeats):.3f}" for s in shares)
        print(f"| {name} | " + " | ".join(each) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("rows", "crossed", "choice", "all"), default="all")
    options = parser.parse_args()
    if options.repeats < 1:
        parser.error(f"--repeats: at least 1. Received: {options.repeats}")
    print(f"Synthetic simulation, {options.repeats} repeats, seed {options.seed}\n")
    parts = {"rows": print_rows, "crossed": print_crossed, "choice": print_choice}
    for name, show in parts.items():
        if options.part in (name, "all"):
            show(options.repeats, options.seed)
            print()


if __name__ == "__main__":
    main()
