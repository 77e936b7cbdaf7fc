"""The evaluation criteria of Section IV-D, always over the whole set, never averaged over batches.

Importing the NumPy functions does not import TensorFlow; the Keras metric does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaffect.metrics.classification import (
    accuracy,
    au_accuracy,
    au_exact_match,
    au_f1,
    au_f1_macro,
    au_f1_weighted,
    f1,
    f1_per_class,
)
from kaffect.metrics.concordance import ccc, ccc_per_video, mse
from kaffect.metrics.crossed import CrossedInterval, crossed_interval, crossed_interval_of
from kaffect.metrics.intervals import (
    Interval,
    clustered_interval,
    interval_of,
    paired_interval,
    paired_interval_of,
)
from kaffect.metrics.official import (
    abaw1_au,
    abaw1_au_of,
    abaw1_expression,
    abaw1_expression_of,
    p_au,
    p_expr,
    p_mtl,
    p_va,
)
from kaffect.metrics.registry import METRICS, Metric, metrics_of
from kaffect.metrics.scores import (
    AU_KEYS,
    EXPRESSION_KEYS,
    VA_KEYS,
    au_scores,
    expression_scores,
    va_scores,
)
from kaffect.metrics.seeds import SeedComparison, seed_comparison, sign_flip_test
from kaffect.metrics.sums import ClusterSums, cluster_sums
from kaffect.metrics.thresholds import best_logit_thresholds, best_thresholds

if TYPE_CHECKING:
    from kaffect.metrics.streaming import ConcordanceCorrelation

__all__ = [
    "AU_KEYS",
    "EXPRESSION_KEYS",
    "METRICS",
    "VA_KEYS",
    "ClusterSums",
    "ConcordanceCorrelation",
    "CrossedInterval",
    "Interval",
    "Metric",
    "SeedComparison",
    "abaw1_au",
    "abaw1_au_of",
    "abaw1_expression",
    "abaw1_expression_of",
    "accuracy",
    "au_accuracy",
    "au_exact_match",
    "au_f1",
    "au_f1_macro",
    "au_f1_weighted",
    "au_scores",
    "best_logit_thresholds",
    "best_thresholds",
    "ccc",
    "ccc_per_video",
    "cluster_sums",
    "clustered_interval",
    "crossed_interval",
    "crossed_interval_of",
    "expression_scores",
    "f1",
    "f1_per_class",
    "interval_of",
    "metrics_of",
    "mse",
    "p_au",
    "p_expr",
    "p_mtl",
    "p_va",
    "paired_interval",
    "paired_interval_of",
    "seed_comparison",
    "sign_flip_test",
    "va_scores",
]


def __getattr__(name: str) -> Any:
    if name == "ConcordanceCorrelation":
        from kaffect.metrics.streaming import ConcordanceCorrelation

        return ConcordanceCorrelation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
