"""The labels of many frames as columns: valence/arousal, expression, Action Units (Section III)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
