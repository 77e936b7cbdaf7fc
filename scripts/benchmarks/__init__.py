"""Benchmarks, one a file; `scripts/benchmark.py` runs them."""
