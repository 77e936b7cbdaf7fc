"""Progress bars with the time that is left, for everything that takes longer than a few seconds."""

from __future__ import annotations

import sys
from typing import Any

import keras
from tqdm import tqdm


def progress_bar(total: int, what: str, unit: str, *, initial: int = 0) -> tqdm[Any]:
    """A bar on standard error; silent where that is not a terminal wide enough to show it."""
    return tqdm(
        total=total, desc=what, unit=unit, initial=initial, file=sys.stderr,
        dynamic_ncols=True, mininterval=0.5, leave=False, disable=None,
    )  # fmt: skip


class StepBar(keras.callbacks.Callback):
    """Moves a bar by one for each update and shows the loss."""

    def __init__(self, bar: tqdm[Any], frames_per_step: int) -> None:
        super().__init__()
        self.bar = bar
        self.frames_per_step = frames_per_step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.bar.update(1)
        if logs and "loss" in logs:
            self.bar.set_postfix_str(f"loss {float(logs['loss']):.3f}", refresh=False)
