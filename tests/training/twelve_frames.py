"""Twelve frames in the place of a data set's, and settings of the framewise study."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from kaffect.config import FramewiseConfig
from kaffect.labels import AFF_WILD2
from tests.data.stand_in import Columns


def index(**columns):
    """Twelve frames with the attributes of a `FrameIndex` that are read."""
    numbers = np.arange(12)
    found = {
        "rows": numbers,
        "has_face": numbers != 3,
        "va_valid": numbers % 2 == 0,
        "expression_valid": numbers % 3 == 0,
        "au_valid": numbers < 7,
        "expression": np.array([0, 0, 0, 0, 0, 0, 1, 0, 0, 5, 0, 0]),
        "action_units": np.zeros((12, 12), np.int8),
        "data": SimpleNamespace(label_space=AFF_WILD2),
    }
    return Columns(**{**found, **columns})


def config(**settings) -> FramewiseConfig:
    return FramewiseConfig().changed({k.replace("__", "."): v for k, v in settings.items()})
