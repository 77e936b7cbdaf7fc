"""The progress display of a training: a bar of updates, a report of each validation pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from kaffect.progress import ProgressDisplay

# Of the metrics of a validation pass; whichever of them it has.
SHOWN = ("ccc_valence", "ccc_arousal", "accuracy", "f1_macro", "au_f1_macro", "score")
# Seconds between two lines in a log; validation passes have lines of their own.
LINE_EVERY = 300.0


class StepProgress(keras.callbacks.Callback):
    """Tells `display` of each batch, with its loss, and of each validation pass.

    Args:
        display: counted in updates.
        updates: made with each batch.
    """

    def __init__(self, display: ProgressDisplay, updates: int = 1) -> None:
        super().__init__()
        self.display, self.updates = display, updates

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        self.display.update(self.updates, "" if loss is None else f"loss {float(loss):.3f}")

    def validated(self, entry: Mapping[str, Any]) -> None:
        """Report the scores of a validation pass, an entry of the loop's history."""
        found = entry["validation"]
        scores = ", ".join(f"{name} {found[name]:.3f}" for name in SHOWN if name in found)
        self.display.report(scores, entry["step"])


@contextlib.contextmanager
def training_progress(
    steps: int, what: str, *, initial: int = 0, updates: int = 1
) -> Iterator[StepProgress]:
    """The progress of a training: a callback for `fit`, whose `validated` takes validation passes.

    Args:
        steps: updates in all; initial: those that an earlier run has made.
        what: is trained.
        updates: made with each batch.
    """
    with ProgressDisplay(steps, what, "step", initial=initial, every=LINE_EVERY) as display:
        yield StepProgress(display, updates)
