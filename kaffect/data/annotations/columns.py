"""The labels of many frames as columns: valence/arousal, expression, Action Units (Section III)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaffect.labels import TASK_BY_NAME, TASKS


@dataclass(frozen=True, eq=False)
class LabelColumns:
    """One entry for each of n frames, and which of them are labels at all.

    Attributes:
        valence_arousal: [n, 2] float32; va_valid: [n] bool.
        expression: [n] int32; expression_valid: [n] bool.
        action_units: [n, units] int8; au_valid: [n] bool.
    """

    valence_arousal: np.ndarray
    va_valid: np.ndarray
    expression: np.ndarray
    expression_valid: np.ndarray
    action_units: np.ndarray
    au_valid: np.ndarray

    def values(self, task: str) -> np.ndarray:
        """The labels of 'va' [n, 2], 'expression' [n] or 'au' [n, units]."""
        column: np.ndarray = getattr(self, TASK_BY_NAME[task].column)
        return column

    def valid(self, task: str) -> np.ndarray:
        """[n] bool: which frames have a label of the task."""
        column: np.ndarray = getattr(self, TASK_BY_NAME[task].valid)
        return column

    def labelled(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[n] bool: which frames have a label of any task.

        Args:
            rows: [k] row numbers; then the result is [k], and only these rows are read.
        """
        return np.any([self.valid(task)[rows] for task in TASKS], axis=0)
