"""Checks of single settings: what passes, what does not, and in which words."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from kaffect.config import FramewiseConfig, from_dict, parse_setting
from kaffect.config.base import (
    STRICT,
    Count,
    NotNegative,
    Positive,
    PositiveCount,
    Rate,
    Settings,
    Share,
    names_of,
)
from kaffect.errors import ConfigError


@dataclass(frozen=True, config=STRICT)
class Part(Settings):
    """A setting of every type."""

    PART: ClassVar[str] = "part"

    flip: bool = True
    epochs: int = 10
    rate: float = 1.0
    stem: str = "small"
    weights: str | None = "file"
    tasks: Annotated[tuple[str, ...], Field(strict=False)] = ("va",)
    units: Annotated[tuple[int, ...], Field(strict=False)] = (4,)
    loss: Literal["ccc", "mse"] = "ccc"
    kernel: Literal[5, 7] = 5
    share: Share = 0.5
    dropout: Rate = 0.5
    decay: NotNegative = 0.0
    step: Positive = 1.0
    steps: Count = 0
    batch: PositiveCount = 1


@dataclass(frozen=True, config=STRICT)
class Whole(Settings):
    part: Part = field(default_factory=Part)


# --- ranges ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [
    ("share", 0.0), ("share", 1.0), ("dropout", 0.999), ("decay", 1e9), ("step", 1e-9),
    ("steps", 0), ("batch", 1), ("loss", "mse"), ("kernel", 7), ("share", 1),
])  # fmt: skip
def test_within_the_range(name: str, value: Any) -> None:
    assert getattr(Part(**{name: value}), name) == value
    assert Whole().changed({f"part.{name}": value}).flat()[f"part.{name}"] == value


@pytest.mark.parametrize(("name", "value", "accepted"), [
    ("share", 1.5, "0 to 1"),
    ("share", -0.1, "0 to 1"),
    ("dropout", 1.0, "0 or more, below 1"),
    ("decay", -1.0, "0 or more"),
    ("share", float("nan"), "0 to 1"),
    ("decay", float("inf"), "0 or more"),
    ("share", True, "0 to 1"),
    ("share", "0.5", "0 to 1"),
    ("step", 0.0, "a positive number"),
    ("step", float("nan"), "a positive number"),
    ("step", None, "a positive number"),
    ("steps", -1, "a whole number, 0 or more"),
    ("batch", 0, "a positive whole number"),
    ("batch", True, "a positive whole number"),
    ("loss", "rmse", "one of 'ccc', 'mse'"),
    ("kernel", 6, "one of 5, 7"),
])  # fmt: skip
def test_outside_the_range(name: str, value: Any, accepted: str) -> None:
    what = f"Invalid value for part.{name}. Expected {accepted}. Received: "
    with pytest.raises(ConfigError) as error:
        Part(**{name: value})
    assert str(error.value) == what + repr(value)
    with pytest.raises(ConfigError) as error:
        Whole().changed({f"part.{name}": value})
    # As JSON has it, which knows no NaN.
    assert what in str(error.value) and "\n" not in str(error.value)


def test_settings_are_frozen_and_closed() -> None:
    part = Part()
    with pytest.raises(FrozenInstanceError):
        part.epochs = 3  # type: ignore[misc]
    with pytest.raises(ConfigError, match="part: unknown setting. Expected one of 'batch'.*'epoch"):
        Part(epoch=3)  # type: ignore[call-arg]


# --- types -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value"), [
    *[(f"flip={word}", True) for word in ("true", "True", "yes")],
    *[(f"flip={word}", False) for word in ("false", "False", "no")],
    ("epochs=3", 3),
    ("rate=1e-2", 0.01),
    ("rate=3", 3.0),
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
    ("loss=mse", "mse"),
    ("kernel=7", 7),
    ("share=1", 1.0),
])  # fmt: skip
def test_a_setting_of_the_command_line_has_the_type_of_its_field(text: str, value: object) -> None:
    name, found = parse_setting(f"part.{text}", Whole)
    assert name == f"part.{text.partition('=')[0]}"
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(("name", "text", "accepted"), [
    ("flip", "maybe", "true or false"),
    ("epochs", "2.5", "a whole number"),
    ("epochs", "true", "a whole number"),
    ("epochs", "", "a whole number"),
    ("rate", "abc", "a number"),
    ("rate", "NaN", "a number"),
    ("rate", "true", "a number"),
    ("units", "[4, 2.5]", "a list, each a whole number"),
    ("loss", "CCC", "one of 'ccc', 'mse'"),
    ("kernel", "6", "one of 5, 7"),
    ("share", "1.5", "0 to 1"),
])  # fmt: skip
def test_a_setting_of_another_type(name: str, text: str, accepted: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_setting(f"part.{name}={text}", Whole)
    wanted = f"Invalid value for part.{name}. Expected {accepted}. Received: {text!r}"
    assert str(error.value) == wanted


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
    message = f"file: Invalid value for part.{name}. Expected {accepted}. Received: "
    with pytest.raises(ConfigError) as error:
        from_dict(Whole, {"part": {name: value}}, "file")
    assert str(error.value).startswith(message)


def test_a_file_of_settings_keeps_its_values() -> None:
    values = {"flip": False, "rate": 3.5, "weights": None, "tasks": ["au"], "units": [4, 8]}
    found = from_dict(Whole, {"part": json.loads(json.dumps(values))}, "file")
    wanted = Part(flip=False, rate=3.5, weights=None, tasks=("au",), units=(4, 8))
    assert found.part == wanted
    assert from_dict(Whole, json.loads(json.dumps(found.to_dict())), "file") == found
    with pytest.raises(ConfigError, match="part. Expected an object of settings. Received: 3"):
        from_dict(Whole, {"part": 3}, "file")
    with pytest.raises(ConfigError, match="file: .*unknown setting. Expected .*'pert'"):
        from_dict(Whole, {"pert": {}}, "file")


def test_a_setting_that_is_none() -> None:
    with pytest.raises(ConfigError, match="Unknown setting. Expected part.batch, part.decay"):
        parse_setting("epochs=3", Whole)
    with pytest.raises(ConfigError, match="--set. Expected NAME=VALUE. Received: 'part.epochs'"):
        parse_setting("part.epochs", Whole)
    with pytest.raises(ConfigError, match="Unknown setting. .* Received: 'part.epoch'"):
        Whole().changed({"part.epoch": 3})
    assert "part.epochs" in names_of(Whole) and len(names_of(Whole)) == 15


# --- identity --------------------------------------------------------------------------------


def test_one_value_has_one_hash() -> None:
    """Whether a number was typed as 3 or 3.0, and in which order: results are found by it."""
    whole = Whole().changed({"part.rate": 3, "part.steps": 4})
    assert whole.hash() == Whole().changed({"part.steps": 4, "part.rate": 3.0}).hash()
    assert whole.hash() != Whole().changed({"part.steps": 4}).hash()


def test_a_file_of_weights_counts_by_its_contents(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    hashes = {
        name: FramewiseConfig().changed({"model.weights": str(tmp_path / name)}).hash()
        for name in "abc"
    }
    assert hashes["a"] == hashes["b"] != hashes["c"]
    (tmp_path / "a").write_bytes(b"two")
    assert FramewiseConfig().changed({"model.weights": str(tmp_path / "a")}).hash() != hashes["a"]
