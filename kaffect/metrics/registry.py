"""The criteria of Section IV-D by the names that results, reports and intervals share.

A new metric is its function, an entry here and its oracle in tests/conformance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from kaffect.metrics import sum_scores
from kaffect.metrics.classification import (
    accuracy,
    au_accuracy,
    au_exact_match,
    au_f1_macro,
    au_f1_weighted,
    f1,
)
from kaffect.metrics.concordance import ccc, mse
from kaffect.metrics.sums import Floats

# task -> the kind of `ClusterSums` that its criteria read
SUMS_OF_TASK = {"va": "moments", "expression": "classes", "au": "units"}


@dataclass(frozen=True)
class Metric:
    """A criterion of one task.

    Attributes:
        task: 'va', 'expression' or 'au'.
        score: labels, predictions and number of classes (None: those that occur) -> the score.
            Valence and arousal: [n, 2] -> [2]; class numbers [n] -> float; units [n, units] of
            0 and 1 -> float.
        of_sums: additive sums [..., n, c] -> [...]; None where it is no function of sums. Of
            valence and arousal it is the mean of the two.
        low: the smallest possible value.
        high: the largest.
    """

    task: str
    score: Callable[[ArrayLike, ArrayLike, int | None], Any]
    of_sums: Callable[[Floats], Floats] | None
    low: float = 0.0
    high: float = 1.0

    @property
    def kind(self) -> str:
        """The kind of `ClusterSums` that `of_sums` reads."""
        return SUMS_OF_TASK[self.task]

    def score_of_sums(self, sums: Floats) -> Floats:
        """`of_sums` where there is one.

        Args:
            sums: additive, [..., n, c], as `kaffect.metrics.sum_scores` takes them.

        Returns:
            [...].
        """
        assert self.of_sums is not None  # `criterion` gives no other
        return self.of_sums(sums)


METRICS = {
    "ccc": Metric("va", lambda y, p, _: ccc(y, p), sum_scores.concordance_of_sums, low=-1.0),
    "mse": Metric(
        "va", lambda y, p, _: mse(y, p), sum_scores.squared_error_of_sums, high=float("inf")
    ),
    "accuracy": Metric("expression", lambda y, p, _: accuracy(y, p), sum_scores.accuracy_of_sums),
    "f1_weighted": Metric(
        "expression", lambda y, p, _: f1(y, p, "weighted"), sum_scores.f1_weighted_of_sums
    ),
    "f1_macro": Metric(
        "expression", lambda y, p, _: f1(y, p, "macro"), sum_scores.f1_of_occurring_classes
    ),
    "f1_macro_all": Metric(
        "expression",
        lambda y, p, classes: f1(y, p, "macro", classes),
        lambda sums: sum_scores.f1_of_sums(sums).mean(axis=-1),
    ),
    "au_f1_weighted": Metric(
        "au",
        lambda y, p, _: au_f1_weighted(y, p),
        lambda sums: sum_scores.f1_weighted_of_sums(sums[..., 1:]),
    ),
    "au_f1_macro": Metric(
        "au",
        lambda y, p, _: au_f1_macro(y, p),
        lambda sums: sum_scores.f1_of_sums(sums[..., 1:]).mean(axis=-1),
    ),
    "au_accuracy": Metric(
        "au", lambda y, p, _: au_accuracy(y, p), sum_scores.unit_accuracy_of_sums
    ),
    "au_exact_match": Metric("au", lambda y, p, _: au_exact_match(y, p), None),
}


def metrics_of(task: str) -> dict[str, Metric]:
    """The metrics of 'va', 'expression' or 'au' by name, in the order of results."""
    return {name: metric for name, metric in METRICS.items() if metric.task == task}
