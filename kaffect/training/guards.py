"""A run stops on the first value that is not finite; it is never replaced (not in the paper).

The one exception is a gradient that overflows under loss scaling: its update is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from kaffect.errors import TrainingDiverged
from kaffect.training.loss_scaling import MOST_SKIPPED, NORM, SCALE, SKIPPED

KEPT = "The last good checkpoint is kept; a smaller learning rate may help"


def require_finite(metrics: Mapping[str, Any], step: int) -> None:
    """Raises `TrainingDiverged` if a validation metric after `step` updates is not finite."""
    bad = _not_finite(metrics)
    if bad:
        raise TrainingDiverged(f"Training stopped at step {step}: on validation {bad}. {KEPT}")


def _not_finite(values: Mapping[str, Any]) -> str:
    numbers = {name: float(value) for name, value in sorted(values.items()) if value is not None}
    return ", ".join(f"{name} is {n}" for name, n in numbers.items() if not math.isfinite(n))


class NonFiniteGuard(keras.callbacks.Callback):
    """Stop when a logged loss or gradient norm is NaN or infinite, naming step and term.

    Under loss scaling a gradient may overflow; stop when `MOST_SKIPPED` updates in a row were
    left out, for then the scale is not the reason. A run that is resumed counts anew.

    Args:
        first_step: number of steps made before; one guard serves every fit after that.

    Raises:
        TrainingDiverged: at the end of the offending step, before anything is saved.
    """

    def __init__(self, first_step: int = 0) -> None:
        super().__init__()
        self.step = first_step
        self._in_a_row = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.step += 1
        logs = dict(logs or {})
        if logs.get(SKIPPED):
            self._in_a_row += 1
            del logs[NORM]
        else:
            self._in_a_row = 0
        bad = _not_finite(logs)
        if self._in_a_row == MOST_SKIPPED:
            bad = (
                f"{MOST_SKIPPED} updates in a row were skipped, as gradients were not finite, "
                f"the last at a loss scale of {logs[SCALE]:g}"
            )
        if bad:
            raise TrainingDiverged(f"Training stopped at step {self.step}: {bad}. {KEPT}")
