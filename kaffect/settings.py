"""Checks of single settings, in the same words for every configuration of the user's work."""

from __future__ import annotations

import math
from numbers import Real

from kaffect.errors import ConfigError, expected_received


def require_one_of(name: str, value: object, accepted: tuple[object, ...]) -> None:
    """Raises `ConfigError` where `value` is not one of `accepted`; `name` is the setting's."""
    if value not in accepted:
        raise ConfigError(expected_received(f"Invalid value for {name}", accepted, value))


def require_positive(name: str, value: float) -> None:
    """Raises `ConfigError` unless `value` is a finite number above 0."""
    if not _is_number(value) or not value > 0:
        raise ConfigError(
            expected_received(f"Invalid value for {name}", "a positive number", value)
        )


def require_range(
    name: str, value: float, low: float, high: float = math.inf, *, open_end: bool = False
) -> None:
    """Raises `ConfigError` unless low <= value <= high, or value < high with `open_end`."""
    if _is_number(value) and low <= value and (value < high or (value == high and not open_end)):
        return
    accepted = f"{low:g} to {high:g}"
    if high == math.inf or open_end:
        accepted = f"{low:g} or more" + (f", below {high:g}" if open_end else "")
    raise ConfigError(expected_received(f"Invalid value for {name}", accepted, value))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
