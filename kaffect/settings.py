"""Checks of single settings, in the same words for every configuration of the user's work."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from numbers import Real
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from kaffect.errors import ConfigError, expected_received

_NONE = ("none", "null")
_WORDS = {"true": True, "yes": True, "false": False, "no": False}
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


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


def parse_setting(text: str, kinds: Mapping[str, type]) -> tuple[str, Any]:
    """Read NAME=VALUE of a command line: `train.epochs=3` -> ("train.epochs", 3).

    Args:
        text: the name is PART.SETTING; the value is JSON or a plain word.
        kinds: the frozen dataclass of each part.

    Raises:
        ConfigError: there is no "=", no such setting, or a value of another type than its field.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(expected_received("--set", "NAME=VALUE", text))
    types = {f"{part}.{key}": t for part, kind in kinds.items() for key, t in types_of(kind)}
    name = name.strip()
    if name not in types:
        raise ConfigError(expected_received("Unknown setting", ", ".join(sorted(types)), name))
    return name, read_value(name, types[name], value.strip())


def types_of(kind: type) -> Iterator[tuple[str, Any]]:
    """Name and type of every field of the dataclass `kind`."""
    types = get_type_hints(kind)
    return ((field.name, types[field.name]) for field in dataclasses.fields(kind))


def read_value(name: str, wanted: Any, text: str) -> Any:
    """The value that `text` (JSON or a plain word) means for a setting of the type `wanted`.

    >>> read_value("data.flip", bool, "False"), read_value("loss.tasks", tuple[str, ...], "va,au")
    (False, ('va', 'au'))

    Raises:
        ConfigError: it is no value of that type; names setting, accepted type and text.
    """
    accepted = _alternatives(wanted)
    if type(None) in accepted and text.lower() in _NONE:
        return None
    if bool in accepted and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if str in accepted and not isinstance(value, str):
        value = text  # a word may look like a number
    if any(get_origin(kind) is tuple for kind in accepted) and isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    return require_type(name, wanted, value)


def require_type(name: str, wanted: Any, value: Any) -> Any:
    """`value` as a setting of the type `wanted` has it: a JSON list becomes a tuple.

    A whole number is accepted where a number is wanted and stays what it is, so that the
    configuration keeps its hash. Types other than bool, int, float, str, tuples and None are
    not checked.

    Raises:
        ConfigError: another type; names setting, accepted type and value.
    """
    for kind in _alternatives(wanted):
        if get_origin(kind) is tuple:
            inner = get_args(kind)[0]
            if isinstance(value, (list, tuple)) and all(_is_a(inner, item) for item in value):
                return tuple(value)
        elif _is_a(kind, value):
            return value
    accepted = " or ".join(_in_words(kind) for kind in _alternatives(wanted))
    raise ConfigError(expected_received(f"Invalid value for {name}", accepted, value))


def _alternatives(wanted: Any) -> tuple[Any, ...]:
    """The members of a union; a type that is none is the only one."""
    return get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)


def _is_a(kind: Any, value: object) -> bool:
    if kind is type(None):
        return value is None
    if kind is float:
        return _is_number(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind) if kind in _TYPES else True


def _in_words(kind: Any) -> str:
    if kind is type(None):
        return "none"
    if get_origin(kind) is tuple:
        return f"a list, each {_in_words(get_args(kind)[0])}"
    return _TYPES.get(kind, str(kind))
