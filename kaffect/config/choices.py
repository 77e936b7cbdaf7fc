"""Choices that settings of several studies have: tasks, losses, thresholds, precisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from kaffect.errors import ConfigError, expected_received

Task = Literal["va", "expression", "au"]
VaLoss = Literal["ccc", "mse"]
# Of Action Units: probability 0.5, or those of the best F1 on validation.
Thresholds = Literal["half", "validation"]
# Of frames: all, or those that Section II-D of the paper keeps.
Selected = Literal["all", "paper"]
Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]

PRECISIONS: tuple[str, ...] = get_args(Precision)
# "run" is the precision that the network was trained and scored in.
EXPORT_PRECISIONS = ("run", *PRECISIONS[1:])
PRECISION_VARIABLE = "KAFFECT_PRECISION"


def automatic_precision(environment: Mapping[str, str]) -> str | None:
    """What KAFFECT_PRECISION says that the precision "auto" is; None where it is not set.

    Raises:
        ConfigError: it is no precision.
    """
    value = environment.get(PRECISION_VARIABLE)
    if value and value not in PRECISIONS[1:]:
        what = f"Invalid value for {PRECISION_VARIABLE}"
        raise ConfigError(expected_received(what, PRECISIONS[1:], value))
    return value or None
