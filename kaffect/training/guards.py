"""Stops a run at the first value that is not finite; none is replaced (not in the paper).

The one exception is a gradient that overflows under loss scaling: its update is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

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


class IntervalMeans(keras.callbacks.Callback):
    """Means of every term over the batches of a fit: a curve of single batches says little.

    `skipped_updates` is their number instead; a term that no batch had is absent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._totals: dict[str, float] = {}
        self._batches: dict[str, int] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._totals, self._batches = {}, {}

    def add(self, term: str, value: float) -> None:
        """Count `value` for `term` of one batch."""
        self._totals[term] = self._totals.get(term, 0.0) + value
        self._batches[term] = self._batches.get(term, 0) + 1

    def means(self) -> dict[str, float]:
        """Term -> mean, or number."""
        return {
            term: total if term.endswith(SKIPPED) else total / self._batches[term]
            for term, total in self._totals.items()
        }


class NonFiniteGuard(IntervalMeans):
    """Stop when a logged loss or gradient norm is NaN or infinite, naming step and term.

    Under loss scaling a gradient may overflow; stop when `MOST_SKIPPED` updates in a row were
    left out, for then the scale is not the reason. A run that is resumed counts anew. The
    mean of the gradient's norm is over the updates that were applied.

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
        for term, value in logs.items():
            self.add(term, float(value))


class RoundGuard(IntervalMeans):
    """Stop at the first term of a GAN's round that is not finite.

    Also under loss scaling, where an update whose gradients were finite at no scale ends with a
    norm that is not.

    Args:
        updates: the letters of one round, "DGG" for example.
        first_step: updates made before; one guard serves every fit after that.

    Raises:
        TrainingDiverged: behind the round that holds the offending update, before anything
            is saved; names update and term.
    """

    def __init__(self, updates: str, first_step: int) -> None:
        super().__init__()
        self.updates, self.step = updates, first_step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        bad = []
        for term, value in (logs or {}).items():
            values = np.atleast_1d(np.asarray(value, np.float64))
            letter = "G" if term.startswith("generator_") else "D"
            places = [i for i, update in enumerate(self.updates, start=1) if update == letter]
            bad += [
                (self.step + place, term, number)
                for place, number in zip(places, values)
                if not np.isfinite(number)
            ]
            self.add(term, float(values.sum() if term.endswith(SKIPPED) else values.mean()))
        if bad:
            first = min(step for step, _, _ in bad)
            terms = ", ".join(sorted(f"{term} is {n}" for step, term, n in bad if step == first))
            raise TrainingDiverged(f"Training stopped at step {first}: {terms}. {KEPT}")
        self.step += len(self.updates)
