"""The tables and figures that there are: files of `experiments/`, or one of the user's own.

Serves the researcher: a new table is one new file, and nothing lists it a second time.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import string
import traceback
from collections.abc import Iterable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import kaffect
from kaffect.errors import ConfigError, expected_received
from kaffect.studies.experiment import Experiment, Figure, Table, loaded
from kaffect.studies.options import require_used
from kaffect.studies.problems import RowError
from kaffect.studies.registry import STUDIES, TRAINED

# Beside the package in a checkout; an installed kaffect has none of it.
CHECKOUT = Path(kaffect.__file__).resolve().parent.parent / "experiments"
_IN_NAMES = set(string.ascii_letters + string.digits + "-_")


def tables() -> dict[str, Experiment]:
    """Every table of this checkout by name, in the order in which the publications have them."""
    found = {e.name: e for path in _files("tables") for e in experiments_in(path)}
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def figures() -> dict[str, Experiment]:
    """Every figure of this checkout by name."""
    found = {e.name: e for path in _files("figures") for e in experiments_in(path)}
    return dict(sorted(found.items()))


def _files(folder: str) -> Iterable[Path]:
    return sorted((CHECKOUT / folder).glob("[!_]*.py"))


def experiments_in(path: Path) -> Iterator[Experiment]:
    """What a file offers as `TABLE`, `TABLES`, `FIGURE` or `FIGURES`.

    Raises:
        ConfigError: no such file, one that does not run, or that offers nothing.
    """
    module = _module(path)
    given = [getattr(module, name) for name in ("TABLE", "FIGURE") if hasattr(module, name)]
    for name in ("TABLES", "FIGURES"):
        given += getattr(module, name, ())
    for experiment in given:
        if not isinstance(experiment, Experiment):
            what = f"{path}:{_line(path, 'TABLE')}: what TABLE names"
            raise ConfigError(expected_received(what, "a kaffect.studies.Table", experiment))
        if experiment.study not in STUDIES and not isinstance(experiment, Figure):
            what = f"{path}:{_line(path, experiment.study)}: study of table {experiment.name}"
            raise ConfigError(expected_received(what, tuple(STUDIES), experiment.study))
        if not set(experiment.name) <= _IN_NAMES or not experiment.name[:1].isalnum():
            what = f"{path}:{_line(path, experiment.name)}: name of a table, which names files too"
            accepted = "a letter or digit, then letters, digits, '-', '_'"
            raise ConfigError(expected_received(what, accepted, experiment.name))
        yield experiment
    if not given:
        raise ConfigError(f"{path}: expected a table, as TABLE = Table(...). Received: none")


def _module(path: Path) -> ModuleType:
    """What the file at `path` defines."""
    if not path.is_file():
        raise ConfigError(f"--table {path}: no such file")
    loader = _Loader(f"kaffect_experiment_{path.stem}", str(path))
    module = ModuleType(loader.name)
    try:
        loader.exec_module(module)
    except Exception as error:  # whatever the user's file raises is a mistake in that file
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else (lines or [1])[-1]
        words = " ".join(str(error).split())
        raise ConfigError(f"{path}:{line or 1}: {type(error).__name__}: {words}") from error
    return module


class _Loader(SourceFileLoader):
    """Reads a file as it is now, and leaves no compiled copy beside it."""

    def path_stats(self, path: Any) -> Any:
        """There are none, so that nothing is cached by them."""
        raise OSError(f"{path}: not cached")


def _line(path: Path, *texts: str) -> int:
    """The first line of a file that has one of these texts as a name or string; else 1."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Constant) and node.value in texts:
            return node.lineno
        if isinstance(node, ast.Name) and node.id in texts:
            return node.lineno
    return 1


@contextlib.contextmanager
def located(table: str | None) -> Iterator[None]:
    """Add file and line to the error of a row with rejected settings, if `table` is a FILE.py."""
    try:
        yield
    except RowError as error:
        if table is None or not table.endswith(".py"):
            raise
        line = _line(Path(table), *error.settings, error.label)
        raise ConfigError(f"{table}:{line}: {error}") from error


def find_table(name: str) -> Experiment:
    """The table of that name, or in that file (`FILE.py`).

    Raises:
        ConfigError: there is none; lists what there is.
    """
    if name.endswith(".py"):
        return next(experiments_in(Path(name)))
    return _named("table", name, tables())


def find_figure(name: str) -> Experiment:
    """The figure of that name; errors as of `find_table`."""
    return _named("figure", name, figures())


def find_trained(name: str) -> Table:
    """The table of that name, whose rows are trained; errors as of `find_table`."""
    table = find_table(name)
    if not isinstance(table, Table) or table.study not in TRAINED:
        known = tuple(n for n, t in tables().items() if t.study in TRAINED)
        raise ConfigError(expected_received("--table: a table that is trained", known, name))
    return table


def _named(kind: str, name: str, known: dict[str, Experiment]) -> Experiment:
    if not known:
        raise ConfigError(f"--{kind} {name}: the {kind}s come with a checkout of kaffect's source")
    if name.upper() not in known:
        raise ConfigError(expected_received(f"--{kind}: unknown {kind}", tuple(known), name))
    return known[name.upper()]


def summary() -> str:
    """The tables and figures, one a line."""
    entries = [(f"--table {e.name}", e.title) for e in tables().values()]
    entries += [(f"--figure {e.name}", e.title) for e in figures().values()]
    return "\n".join(f"  {flag:<13} {what}" for flag, what in entries)


def run(experiment: Experiment, options: argparse.Namespace) -> None:
    """Run what the command line asks for.

    Raises:
        ConfigError: a flag that this table or figure does not use.
    """
    if isinstance(experiment, Figure):
        used, command = experiment.flags, loaded(experiment.draw)
    else:
        study = STUDIES[experiment.study]
        used, command = study.flags, study.command()
    kind = "figure" if isinstance(experiment, Figure) else "table"
    require_used(options, used, f"{{}}: {kind} {experiment.name} does not use it")
    with located(options.table):
        command(experiment, options)


def _place(name: str) -> tuple[int, int, str]:
    """Roman numerals by value, then A1, A2 and so on, then any other name."""
    numerals = {"I": 1, "V": 5, "X": 10}
    if set(name) <= set(numerals):
        values = [numerals[letter] for letter in name]
        return 0, sum(-v if v < max(values[i:]) else v for i, v in enumerate(values)), name
    return (1, int(name[1:]), name) if name[1:].isdigit() else (2, 0, name)
