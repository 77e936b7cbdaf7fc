"""A run stops on the first value that is not finite; it is never replaced (not in the paper)."""

from __future__ import annotations

import math
from typing import Any

import keras

from kaffect.errors import TrainingDiverged


class NonFiniteGuard(keras.callbacks.Callback):
    """Stop when a logged loss or gradient norm is NaN or infinite, naming step and term.

    Args:
        first_step: number of updates made before this fit began.

    Raises:
        TrainingDiverged: at the end of the offending step, before anything is saved.
    """

    def __init__(self, first_step: int = 0) -> None:
        super().__init__()
        self.step = first_step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.step += 1
        numbers = {term: float(value) for term, value in (logs or {}).items()}
        bad = [f"{term} is {n}" for term, n in sorted(numbers.items()) if not math.isfinite(n)]
        if bad:
            raise TrainingDiverged(
                f"Training stopped at step {self.step}: {', '.join(bad)}. "
                "The last good checkpoint is kept; a smaller learning rate may help"
            )
