"""Checks of single settings: what passes, what does not, and in which words."""

from __future__ import annotations

import pytest

from kaffect.errors import ConfigError
from kaffect.settings import require_one_of, require_positive, require_range


@pytest.mark.parametrize(("arguments", "options"), [
    ((0, 0, 1), {}),
    ((1, 0, 1), {}),
    ((0.999, 0, 1), {"open_end": True}),
    ((1e9, 0), {}),
])  # fmt: skip
def test_within_the_range(arguments: tuple, options: dict) -> None:
    require_range("a.b", *arguments, **options)


@pytest.mark.parametrize(("arguments", "options", "accepted"), [
    ((1.5, 0, 1), {}, "0 to 1"),
    ((-0.1, 0, 1), {}, "0 to 1"),
    ((1, 0, 1), {"open_end": True}, "0 or more, below 1"),
    ((-1, 0), {}, "0 or more"),
    ((float("nan"), 0, 1), {}, "0 to 1"),
    ((float("inf"), 0), {}, "0 or more"),
    ((True, 0, 1), {}, "0 to 1"),
    (("0.5", 0, 1), {}, "0 to 1"),
])  # fmt: skip
def test_outside_the_range(arguments: tuple, options: dict, accepted: str) -> None:
    with pytest.raises(ConfigError, match=f"Invalid value for a.b. Expected {accepted}") as error:
        require_range("a.b", *arguments, **options)
    assert str(arguments[0]) in str(error.value)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "3", None])
def test_not_positive(value: object) -> None:
    with pytest.raises(ConfigError, match="a.b. Expected a positive number. Received: "):
        require_positive("a.b", value)


def test_one_of() -> None:
    require_positive("a.b", 1e-9)
    require_one_of("a.b", "x", ("x", "y"))
    with pytest.raises(ConfigError, match="one of 'x', 'y'. Received: 'z'"):
        require_one_of("a.b", "z", ("x", "y"))
