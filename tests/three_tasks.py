"""A batch of all three tasks, for tests of losses and networks."""

from __future__ import annotations

from typing import Any

import numpy as np


def labels(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    classes: int = 7,
    units: int = 8,
    share: float = 0.8,
    dtype: Any = np.float64,
) -> dict[str, np.ndarray]:
    """Labels of `shape` frames with masks; about `share` of the frames are labelled."""
    return {
        "valence_arousal": rng.uniform(-1, 1, (*shape, 2)).astype(dtype),
        "valence_arousal_mask": rng.uniform(size=shape) > 1 - share,
        "expression": rng.integers(0, classes, shape),
        "expression_mask": rng.uniform(size=shape) > 1 - share,
        "action_units": (rng.uniform(size=(*shape, units)) > 0.5).astype(dtype),
        "action_units_mask": rng.uniform(size=shape) > 1 - share,
    }


def outputs(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    classes: int = 7,
    units: int = 8,
    dtype: Any = np.float64,
) -> dict[str, np.ndarray]:
    """What a network says of them: normal, of standard deviation 1."""
    widths = {"valence_arousal": 2, "expression_logits": classes, "action_unit_logits": units}
    return {name: rng.normal(size=(*shape, n)).astype(dtype) for name, n in widths.items()}
