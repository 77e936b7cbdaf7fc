"""Which settings code reads: for the test that there is none that nobody uses."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from kaffect.config import CONFIGURATIONS

# Reading a setting to copy, check, print or compare it is not using it.
_COPYING = ("dataclasses", "copy", "pydantic", "kaffect.config.base", "kaffect.studies.plan")
_COPYING += ("kaffect.studies.runner", "kaffect.studies.report", "kaffect.studies.results")
_CHECKING = ("check", "network")


def settings_of(study: str) -> set[str]:
    """All settings of a study, by dotted name."""
    return set(CONFIGURATIONS[study]().flat())


@contextlib.contextmanager
def recorded_reads(study: str) -> Iterator[set[str]]:
    """The settings of `study` that are read inside, by dotted name."""
    found: set[str] = set()
    parts = {type(getattr(CONFIGURATIONS[study](), f.name)): f.name for f in _fields(study)}
    with contextlib.ExitStack() as stack:
        for kind, name in parts.items():
            stack.enter_context(_recording(kind, name, found))
        yield found


def _fields(study: str) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(CONFIGURATIONS[study])


@contextlib.contextmanager
def _recording(kind: type, part: str, found: set[str]) -> Iterator[None]:
    names = {field.name for field in dataclasses.fields(kind)}

    def read(self: Any, name: str) -> Any:
        if name in names and _is_use(sys._getframe(1)):
            found.add(f"{part}.{name}")
        return object.__getattribute__(self, name)

    kind.__getattribute__ = read  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del kind.__getattribute__


def _is_use(frame: FrameType | None) -> bool:
    """Whether the first caller outside of the settings' own module does something with it."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_COPYING) or frame.f_code.co_name in _CHECKING:
            return False
        if not module.startswith("kaffect.config"):
            return bool(module.startswith("kaffect."))
        frame = frame.f_back
    return False
