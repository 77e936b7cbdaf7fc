"""What the settings of all studies share: frozen, checked, named by dots, written as JSON.

A configuration is built from literals, never mutated, and written whole beside each result.
An unknown name or a value of another type or range is a `ConfigError`, so that a misspelt
setting cannot pass silently.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from kaffect.errors import ConfigError, expected_received
from kaffect.files import stable_hash
from kaffect.weight_files import content_of

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
# A share that may be whole; a rate or decay that may not.
Share = Annotated[float, Ge(0), Le(1)]
Rate = Annotated[float, Ge(0), Lt(1)]
PositiveCount = Annotated[int, Gt(0)]
Count = Annotated[int, Ge(0)]

Kind = TypeVar("Kind")


class Later:
    """Marks a setting that is younger than published results: hashes leave its default out.

    So a run has the name that it had before there was the setting.
    """


LATER = Later()
_NONE = ("none", "null")
# The settings that are paths of files, by part and name.
_FILES = (("model", "weights"), ("prepare", "detector_model"))
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


@dataclass(frozen=True, config=STRICT)
class Settings:
    """Base of every configuration and of its parts.

    Attributes:
        PART: what stands before the dot in the names of this part's settings; "" for a whole
            configuration.
    """

    PART: ClassVar[str] = ""

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, values: Any, build: Any) -> Self:
        try:
            found: Self = build(values)
        except ValidationError as error:
            raise ConfigError(_in_words(cls, error, cls.PART)) from None
        found.check()
        return found

    def check(self) -> None:
        """Reject combinations of settings; called for every new object.

        Raises:
            ConfigError: says which, and what is accepted.
        """

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able copy."""
        return dataclasses.asdict(self)

    def flat(self) -> dict[str, Any]:
        """Dotted name -> value."""
        return dict(_flat(self.to_dict()))

    def identity(self) -> dict[str, Any]:
        """As `to_dict`, but files of weights are named by their contents and not by their path.

        Of the run that this one starts from, its content says all (`kaffect.config.start`).
        """
        values = self.to_dict()
        if "start" in values:
            del values["start"]["run"]
        for part, key in _FILES:
            if values.get(part, {}).get(key) is not None:
                values[part][key] = content_of(values[part][key])
        return values

    def hash(self) -> str:
        """A short name of this configuration, the same in every process and for a moved file."""
        return stable_hash(self.without_later(self.identity()))

    @classmethod
    def without_later(cls, values: dict[str, Any]) -> dict[str, Any]:
        """`values` without the settings marked `LATER` that have their default."""
        found = {name: dict(part) for name, part in values.items()}
        for name, part in _fields(cls).items():
            for key, field in _fields(part.annotation).items():
                later = LATER in field.metadata
                if later and found[name].get(key, field.default) == field.default:
                    found[name].pop(key, None)
        return {name: part for name, part in found.items() if part}

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with dotted settings changed, such as {"train.steps": 300}.

        Raises:
            ConfigError: an unknown name or a value that is not accepted.
        """
        values = self.to_dict()
        for name, value in changes.items():
            part, key = _part(type(self), name)
            values[part][key] = value
        return type(self).from_dict(values)

    @classmethod
    def from_dict(cls, values: Any, where: str = "settings") -> Self:
        """The inverse of `to_dict`, through JSON too.

        Args:
            where: what the error names, a file for example.

        Raises:
            ConfigError: an unknown setting, or a value that is not accepted.
        """
        return from_dict(cls, values, where)


def from_dict(kind: type[Kind], values: Any, where: str) -> Kind:
    """Build the dataclass `kind` from JSON-able `values`.

    Raises:
        ConfigError: an unknown key, or a value that is not accepted; names `where` and the key.
    """
    try:
        # As JSON, where a list is what a tuple is written as, and an object a part.
        return TypeAdapter(kind).validate_json(json.dumps(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_in_words(kind, error, '')}") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def parse_setting(text: str, kind: type[Settings]) -> tuple[str, Any]:
    """Read NAME=VALUE of a command line: `train.steps=300` -> ("train.steps", 300).

    Args:
        text: the name is PART.SETTING; the value is a number, a word, or a list: JSON or
            words with commas between them.
        kind: the configuration that has the setting.

    Raises:
        ConfigError: there is no "=", no such setting, or a value of another type or range.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(expected_received("--set", "NAME=VALUE", text))
    name = name.strip()
    part, key = _part(kind, name)
    field = _fields(_fields(kind)[part].annotation)[key]
    return name, _read(name, field, value.strip())


def _read(name: str, field: Any, text: str) -> Any:
    alternatives = _alternatives(field.annotation)
    if type(None) in alternatives and text.lower() in _NONE:
        return None
    kind = next(kind for kind in alternatives if kind is not type(None))
    bounds = [bound for bound in field.metadata if isinstance(bound, (Ge, Gt, Le, Lt))]
    try:
        if get_origin(kind) is tuple:
            return tuple(_from_text(get_args(kind)[0], item) for item in _items(text))
        return _from_text(Annotated[kind, *bounds] if bounds else kind, text)
    except ValidationError:
        what = f"Invalid value for {name}"
        raise ConfigError(expected_received(what, _accepted(field), text)) from None


def _from_text(kind: Any, text: str) -> Any:
    text = text.strip('"')
    if get_origin(kind) is Literal and not isinstance(get_args(kind)[0], str):
        text = {str(choice): choice for choice in get_args(kind)}.get(text, text)
        return TypeAdapter(kind).validate_python(text)
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False)).validate_strings(text)


def _items(text: str) -> list[str]:
    """The items of a list, as JSON has it or with commas alone."""
    return [item.strip() for item in text.strip().removeprefix("[").removesuffix("]").split(",")]


def names_of(kind: type[Settings]) -> tuple[str, ...]:
    """The dotted names of all settings of a configuration, sorted."""
    return tuple(
        sorted(
            f"{part}.{key}" for part, f in _fields(kind).items() for key in _fields(f.annotation)
        )
    )


def _part(kind: type[Settings], name: str) -> tuple[str, str]:
    part, _, key = name.partition(".")
    parts = _fields(kind)
    if part not in parts or key not in _fields(parts[part].annotation):
        raise ConfigError(expected_received("Unknown setting", ", ".join(names_of(kind)), name))
    return part, key


def _fields(kind: Any) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = kind.__pydantic_fields__
    return fields


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _in_words(kind: Any, error: ValidationError, part: str) -> str:
    """The first complaint in the house template: setting, what is accepted, what was received."""
    first = error.errors(include_url=False)[0]
    # Without the number of an item of a list, whose setting is what the words are of.
    place = [item for item in first["loc"] if isinstance(item, str)]
    name = ".".join([*([part] if part else []), *place])
    fields = getattr(kind, "__pydantic_fields__", {})
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = tuple(sorted(fields))
        what = f"{part}: unknown setting" if part else "unknown setting"
        return expected_received(what, known, place[-1])
    if first["type"] == "dataclass_type":
        return expected_received(name or "settings", "an object of settings", first["input"])
    if place and place[0] in fields:
        field, received = fields[place[0]], first["input"]
        if hasattr(field.annotation, "__pydantic_fields__"):
            return expected_received(name, "an object of settings", received)
        return expected_received(f"Invalid value for {name}", _accepted(field), received)
    return expected_received(f"Invalid value for {name}", first["msg"], first["input"])


def _accepted(field: Any) -> str:
    """What a field takes, in words: its choices, or its type and range."""
    words = [_type_in_words(kind) for kind in _alternatives(field.annotation)]
    bounds: dict[type, Any] = {
        type(bound): bound for bound in field.metadata if isinstance(bound, (Ge, Gt, Le, Lt))
    }
    if not bounds:
        return " or ".join(words)
    whole = "whole " if words[0] == _TYPES[int] else ""
    if Gt in bounds:
        return f"a positive {whole}number"
    low = f"{'a whole number, ' * bool(whole)}{bounds[Ge].ge:g}"
    if Le in bounds:
        return f"{low} to {bounds[Le].le:g}"
    return f"{low} or more" + (f", below {bounds[Lt].lt:g}" if Lt in bounds else "")


def _type_in_words(kind: Any) -> str:
    if kind is type(None):
        return "none"
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        return f"a list, each {_type_in_words(inner)}"
    choices = get_args(kind)
    if choices and get_origin(kind) is not Annotated:
        return "one of " + ", ".join(repr(choice) for choice in choices)
    return _TYPES.get(choices[0] if choices else kind, str(kind))


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; a type that is none is the only one."""
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
