"""A profile of a few updates for TensorBoard (`--profile-steps`): where their time goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

# The first update compiles, and the next one fills buffers: neither says anything of the others.
SKIPPED = 2


class StepProfile(keras.callbacks.Callback):
    """Profiles `steps` updates after the first `SKIPPED`, once, within one interval of training.

    Args:
        folder: of the run's summaries.
        updates: made with each batch.
    """

    def __init__(self, folder: str | Path, steps: int, updates: int = 1) -> None:
        super().__init__()
        self.folder, self.steps, self.updates = str(folder), steps, updates
        self.made, self.profiled, self._runs = 0, 0, False

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._runs and self.profiled == 0 and self.made >= SKIPPED:
            tf.profiler.experimental.start(self.folder)
            self._runs = True

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.made += self.updates
        if self._runs:
            self.profiled += self.updates
            if self.profiled >= self.steps:
                self._stop()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Of an interval: the validation pass after it is no update."""
        if self._runs:
            self._stop()

    def _stop(self) -> None:
        tf.profiler.experimental.stop()
        self._runs = False
