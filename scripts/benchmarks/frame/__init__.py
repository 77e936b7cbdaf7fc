"""What every benchmark is made of: see `scripts/benchmark.py`."""

from scripts.benchmarks.frame.measure import (
    Benchmark,
    Figure,
    Results,
    Samples,
    Variant,
    ratio,
)

__all__ = ["Benchmark", "Figure", "Results", "Samples", "Variant", "ratio"]
