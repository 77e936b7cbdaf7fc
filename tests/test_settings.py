"""Checks of single settings: what passes, what does not, and in which words."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from kaffect.config import from_dict
from kaffect.errors import ConfigError
from kaffect.settings import parse_setting, require_one_of, require_positive, require_range


@dataclass(frozen=True)
class Part:
    """A setting of every type."""

    flip: bool = True
    epochs: int = 10
    rate: float = 1.0
    stem: str = "small"
    weights: str | None = "file"
    tasks: tuple[str, ...] = ("va",)
    units: tuple[int, ...] = (4,)


@dataclass(frozen=True)
class Whole:
    part: Part = Part()


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


# --- types -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value"), [
    *[(f"flip={word}", True) for word in ("true", "True", "yes")],
    *[(f"flip={word}", False) for word in ("false", "False", "no")],
    ("epochs=3", 3),
    ("rate=1e-2", 0.01),
    ("rate=3", 3),
    ("stem=big", "big"),
    ('stem="big"', "big"),
    ("stem=18", "18"),
    ("stem=none", "none"),
    *[(f"weights={word}", None) for word in ("none", "None", "null")],
    ("weights=a=b.npz", "a=b.npz"),
    ('tasks=["va", "au"]', ("va", "au")),
    ("tasks=va, au", ("va", "au")),
    ("tasks=au", ("au",)),
    ("units=[4, 8]", (4, 8)),
])  # fmt: skip
def test_a_setting_of_the_command_line_has_the_type_of_its_field(text: str, value: object) -> None:
    name, found = parse_setting(f"part.{text}", {"part": Part})
    assert name == f"part.{text.partition('=')[0]}"
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(("name", "text", "accepted", "received"), [
    ("flip", "0", "true or false", "0"),
    ("flip", "maybe", "true or false", "'maybe'"),
    ("epochs", "2.5", "a whole number", "2.5"),
    ("epochs", "true", "a whole number", "True"),
    ("epochs", "", "a whole number", "''"),
    ("rate", "abc", "a number", "'abc'"),
    ("rate", "NaN", "a number", "nan"),
    ("rate", "true", "a number", "True"),
    ("tasks", "[1]", r"a list, each a word", r"\[1\]"),
    ("tasks", "7", r"a list, each a word", "7"),
    ("units", "[4, 2.5]", r"a list, each a whole number", r"\[4, 2.5\]"),
])  # fmt: skip
def test_a_setting_of_another_type(name: str, text: str, accepted: str, received: str) -> None:
    message = f"Invalid value for part.{name}. Expected {accepted}. Received: {received}$"
    with pytest.raises(ConfigError, match=message):
        parse_setting(f"part.{name}={text}", {"part": Part})


@pytest.mark.parametrize(("name", "value", "accepted"), [
    ("flip", "False", "true or false"),
    ("flip", 1, "true or false"),
    ("epochs", 2.5, "a whole number"),
    ("epochs", "3", "a whole number"),
    ("epochs", None, "a whole number"),
    ("rate", "1", "a number"),
    ("stem", 3, "a word"),
    ("weights", 3, "a word or none"),
    ("tasks", "va", "a list, each a word"),
    ("units", ["4"], "a list, each a whole number"),
])  # fmt: skip
def test_a_file_of_settings_is_checked_in_the_same_way(
    name: str, value: object, accepted: str
) -> None:
    message = f"Invalid value for file.part.{name}. Expected {accepted}. Received: "
    with pytest.raises(ConfigError, match=message):
        from_dict(Whole, {"part": {name: value}}, "file")


def test_a_file_of_settings_keeps_its_values() -> None:
    values = {"flip": False, "rate": 3, "weights": None, "tasks": ["au"], "units": [4, 8]}
    found = from_dict(Whole, {"part": json.loads(json.dumps(values))})
    assert found.part == Part(False, 10, 3, "small", None, ("au",), (4, 8))
    assert type(found.part.rate) is int  # 3.0 would be another configuration's hash
    with pytest.raises(ConfigError, match="part. Expected an object of settings. Received: 3"):
        from_dict(Whole, {"part": 3})


def test_a_setting_that_is_none() -> None:
    with pytest.raises(ConfigError, match="Unknown setting. Expected part.epochs, part.flip"):
        parse_setting("epochs=3", {"part": Part})
    with pytest.raises(ConfigError, match="--set. Expected NAME=VALUE. Received: 'part.epochs'"):
        parse_setting("part.epochs", {"part": Part})
