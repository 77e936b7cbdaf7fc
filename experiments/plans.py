"""What the command lines of all tables share: rows, data, profile, results folder.

Serves the researcher: whatever table is asked for, the same flags mean the same,
and a mistake gives the same message.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from experiments.results import results_folder
from kaffect.config import automatic_precision
from kaffect.errors import ConfigError
from kaffect.files import writer_lock

AnyRow = TypeVar("AnyRow")


@dataclass(frozen=True)
class TreeOptions:
    """How forgiving a run is of the data tree that it prepares.

    Attributes:
        keep_going: leave out videos that cannot be prepared; the report names them.
        length_tolerance: frames by which a video and its annotation may differ; None: the
            larger of 3 and 0.5 %.
    """

    keep_going: bool = False
    length_tolerance: int | None = None

    @classmethod
    def of(cls, options: argparse.Namespace) -> TreeOptions:
        """Those of a command line."""
        return cls(options.keep_going, options.length_tolerance)


def chosen_rows(
    table: str, rows: Sequence[AnyRow], wanted: int | None
) -> tuple[tuple[int, AnyRow], ...]:
    """The rows that `--row` leaves, each with its number, counted from 1.

    Raises:
        ConfigError: a row that the table does not have.
    """
    numbered = tuple(enumerate(rows, start=1))
    if wanted is None:
        return numbered
    if not 1 <= wanted <= len(rows):
        raise ConfigError(f"--row: table {table} has rows 1 to {len(rows)}. Received: {wanted}")
    return (numbered[wanted - 1],)


def profile_name(options: argparse.Namespace) -> str:
    """`--profile`; without it `demo` on the embedded data and `paper` on the user's own."""
    return options.profile or ("demo" if options.data is None else "paper")


def require_data(data: Path | None) -> Path | None:
    """`--data`, checked.

    Raises:
        ConfigError: a path that is no folder.
    """
    if data is not None and not data.is_dir():
        raise ConfigError(f"--data {data}: expected a folder; there is none of that name")
    return data


def data_name(data: Path | None) -> str:
    """What a results folder calls the data."""
    return "synthetic" if data is None else data.resolve().name


def require_weights(weights: str | None) -> str | None:
    """`--weights`, checked.

    Raises:
        ConfigError: a path that is no file.
    """
    if weights is not None and not Path(weights).is_file():
        raise ConfigError(f"--weights {weights}: no such file")
    return weights


@contextlib.contextmanager
def open_results(
    options: argparse.Namespace, table: str, profile: str, data: Path | None
) -> Iterator[Path]:
    """The results folder of a run of `table`, made and held against other processes.

    Raises:
        ConfigError: `--out` holds results already and `--resume` was not given.
        DatasetError: another process writes there.
    """
    name = f"table-{table}-{profile}-{data_name(data)}"
    folder = results_folder(options.out, name, options.resume)
    folder.mkdir(parents=True, exist_ok=True)
    with writer_lock(folder / "run", f"the results in {folder}"):
        yield folder


def run_plan(
    plan: Any, options: argparse.Namespace, runner: str, describe: Callable[[Any], None]
) -> Path | None:
    """Run `plan` in its results folder, or with `--dry-run` only `describe` it.

    Args:
        plan: of any family of tables.
        runner: module with `run(plan, folder, resume)`; loaded only here, because `--help`,
            `--dry-run` and a mistyped flag need no TensorFlow.

    Returns:
        The results folder; None where nothing was run.
    """
    automatic_precision(os.environ)  # reject a wrong one before data are rendered
    if options.dry_run:
        describe(plan)
        return None
    with open_results(options, plan.table.name, plan.profile.name, plan.data) as folder:
        importlib.import_module(runner).run(plan, folder, options.resume)
    return folder


def describe_head(plan: Any, section: str, expected: str) -> None:
    """The lines that stand above the rows of every described plan.

    Args:
        section: where the study speaks of the table; expected: of which figures, in words.
    """
    where = plan.data or "the embedded synthetic data"
    print(f"Table {plan.table.name}: {plan.table.title} ({section})")
    print(f"profile {plan.profile.name} on {where}; seeds {', '.join(map(str, plan.seeds))}")
    print(f"expected of {expected}: {plan.table.expected}")
    print(f"cost: {plan.table.cost}")
