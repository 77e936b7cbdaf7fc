"""A small attention GRU and numbers to feed it, for the tests of the recurrence."""

from __future__ import annotations

from typing import Any

import numpy as np

from kaffect.layers import AttentionGRU


def small(implementation: str = "fused", **settings: Any) -> AttentionGRU:
    return AttentionGRU((5, 6), 4, implementation=implementation, seed=3, **settings)


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)
