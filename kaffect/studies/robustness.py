"""What each of a fixed set of changes of the pictures costs a trained network.

Serves the engineer who asks how a network stands covered faces, bad light or other crops. Not in
the paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kaffect.data.batches.perturbations import PERTURBATIONS, PERTURBATIONS_HASH, Perturbation
from kaffect.data.prepared.records import FrameIndex, PreparedData
from kaffect.metrics.intervals import paired_interval_of
from kaffect.progress import ProgressDisplay
from kaffect.studies.answers import PictureReader
from kaffect.studies.evaluate import Evaluation, evaluate_run
from kaffect.studies.stored_sums import sums_for_metric
from kaffect.training.prediction import Predictions
from kaffect.training.runs import Run

# By what a task is compared in the table; JSON has every metric that has an interval.
_SHOWN = ("ccc_valence", "ccc_arousal", "accuracy", "f1_macro", "au_f1_macro")


class Drop(NamedTuple):
    """What a change costs in one metric.

    Attributes:
        score: on the changed pictures.
        drop: on the unchanged ones minus `score`; above 0 is worse, but for errors (`mse_...`).
        interval: ends of the drop's 95 % interval over people (videos, where they are not
            known), of the same frames with and without the change; None where it has none.
    """

    score: float
    drop: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Robustness:
    """Attributes:
    drops: name of the perturbation -> metric -> drop.
    set_hash: of all perturbations and their amounts; drops of another set are not comparable.
    """

    drops: Mapping[str, Mapping[str, Drop]]
    set_hash: str = PERTURBATIONS_HASH

    def as_json(self) -> dict[str, Any]:
        """`set` and, for each perturbation and metric, `score`, `drop` and `interval`."""
        found = {
            name: {metric: drop._asdict() for metric, drop in drops.items()}
            for name, drops in self.drops.items()
        }
        return {"set": self.set_hash, "perturbations": found}

    def lines(self) -> list[str]:
        """The table for a terminal: a line for each perturbation, metrics side by side."""
        metrics = [name for name in _SHOWN if all(name in drops for drops in self.drops.values())]
        wide = max(len(name) for name in self.drops)
        head = " " * wide + "".join(f"  {name:>25}" for name in metrics)
        rows = [
            f"{name:{wide}}" + "".join(f"  {_cell(drops[metric]):>25}" for metric in metrics)
            for name, drops in self.drops.items()
        ]
        return [head, *rows]


def _cell(drop: Drop) -> str:
    ends = drop.interval
    shown = "" if ends is None else f" [{ends[0]:+.3f}, {ends[1]:+.3f}]"
    return f"{drop.drop:+.3f}{shown}"


def measure_robustness(
    run: Run, prepared: PreparedData, split: str, clean: Evaluation
) -> Robustness:
    """Score `run` on every perturbation of `PERTURBATIONS`.

    Args:
        run, prepared, split: as of `evaluate_run`, whose errors it raises.
        clean: what `evaluate_run` gave for the unchanged pictures.
    """
    reader, drops = PictureReader(run), {}
    with ProgressDisplay(len(PERTURBATIONS), "changed pictures", "perturbation") as shown:
        for change in PERTURBATIONS:
            found = evaluate_run(run, prepared, split, _Changed(reader, change))
            drops[change.name] = drops_between(clean, found)
            shown.update()
    return Robustness(drops)


@dataclass(frozen=True)
class _Changed:
    """What `evaluate_run` asks in the place of `answers_of`."""

    reader: PictureReader
    change: Perturbation

    def __call__(self, run: Run, index: FrameIndex) -> Predictions:
        return self.reader(index, self.change)


def drops_between(clean: Evaluation, changed: Evaluation) -> dict[str, Drop]:
    """Metric -> drop, for the metrics of which both have the sums over people.

    Args:
        clean, changed: of the same frames.
    """
    found = {}
    for metric, score in changed.metrics.items():
        one, other = (sums_for_metric(each.sums, metric) for each in (clean, changed))
        if one is None or other is None or metric not in clean.metrics:
            continue
        interval = None
        if len(one[0].clusters) > 1:
            _, low, high = paired_interval_of(one[0], other[0], one[1])
            interval = (low, high) if math.isfinite(low) and math.isfinite(high) else None
        found[metric] = Drop(score, clean.metrics[metric] - score, interval)
    return found
