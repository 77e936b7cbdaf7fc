"""Folds of the skin: which units deepen which, and what age leaves (synthetic Aff-Wild)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kaffect.synthetic.prototypes import UNIT_COLUMN

_PAIRS = (
    "fold", "crow0", "crow1", "crow2", "marionette", "stretch", "glabella", "scrunch0",
    "scrunch1", "scrunch2", "furrow", "bag",
)  # fmt: skip
_SINGLE = ("wrinkle0", "wrinkle1", "wrinkle2", "dimple", "lip_shadow")
# Names of curves (see `geometry`) that are folds.
FOLDS = (*(f"{name}_{side}" for name in _PAIRS for side in "lr"), *_SINGLE)
_LEAST = 0.04


def fold_strengths(units: NDArray[np.float64], age: float) -> Iterator[tuple[str, float, float]]:
    """Folds that are to be seen: name of the curve, depth in 0..1, width in face units.

    Args:
        units: [16] intensities in [0, 1].
        age: 0 young ... 1 old.
    """
    u = {name: float(units[column]) for name, column in UNIT_COLUMN.items()}
    pairs = (
        ("fold", 0.04 + 0.35 * age + 0.7 * max(u["AU12"], u["AU10"], 0.9 * u["AU9"]), 0.05),
        ("crow0", 0.30 * age**2 + 0.55 * u["AU6"] * (0.3 + age), 0.03),
        ("crow1", 0.30 * age**2 + 0.6 * u["AU6"] * (0.3 + age), 0.03),
        ("crow2", 0.25 * age**2 + 0.5 * u["AU6"] * (0.3 + age), 0.03),
        ("marionette", 0.3 * age**2 + 0.65 * u["AU15"] + 0.3 * u["AU20"], 0.04),
        ("stretch", 0.6 * u["AU20"], 0.03),
        ("glabella", 0.2 * age**2 + 0.8 * u["AU4"], 0.035),
        ("scrunch0", 0.8 * u["AU9"], 0.035),
        ("scrunch1", 0.8 * u["AU9"], 0.035),
        ("scrunch2", 0.5 * u["AU9"], 0.035),
        ("furrow", 0.22 * age + 0.45 * u["AU6"] + 0.3 * u["AU7"] + 0.25 * u["AU9"], 0.03),
        ("bag", 0.45 * age**2, 0.03),
    )
    for name, strength, width in pairs:
        if strength > _LEAST:
            yield f"{name}_l", strength, width
            yield f"{name}_r", strength, width
    raised = max(u["AU1"], 0.9 * u["AU2"])
    for number, share in enumerate((0.7, 0.75, 0.55)):
        strength = 0.3 * age**2 + share * raised * (0.45 + 0.55 * age)
        if strength > _LEAST:
            yield f"wrinkle{number}", strength, 0.03
    yield "lip_shadow", 0.18 + 0.25 * u["AU17"], 0.05
    if u["AU17"] > _LEAST:
        yield "dimple", 0.5 * u["AU17"], 0.05
