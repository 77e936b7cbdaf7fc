"""Runs, describes (`--dry-run`) or reports (`--report`) a table from the command line.

Importing this loads no TensorFlow, nor does `--dry-run`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from kaffect.config import automatic_precision
from kaffect.errors import ConfigError
from kaffect.files import writer_lock
from kaffect.studies.engine import LOCAL, Engine, engine_of
from kaffect.studies.experiment import Table, loaded
from kaffect.studies.options import require_report
from kaffect.studies.plan import Plan, make_plan
from kaffect.studies.results import require_table, results_file, results_folder, state_data

# Of a results folder: held while a table runs.
_LOCK = "run"


def run_table(table: Table, options: argparse.Namespace) -> None:
    """Run a table whose rows are trained; `--dry-run` describes it, `--report` reports it again."""
    if options.report is not None:
        report_again(table, options)
        return
    plan, engine = make_plan(table, options), engine_of(options)
    automatic_precision(os.environ)  # reject a wrong one before data are rendered
    if options.dry_run:
        describe(plan)
    else:
        run_plan(plan, options.out, options.resume, engine)


def report_again(table: Table, options: argparse.Namespace) -> None:
    """Write the report of the results in `--out`, while they grow or when they are finished.

    Raises:
        ConfigError: a flag of training beside `--report`, or no results of this table there.
        ArtifactError: the results cannot be read.
    """
    require_report(options)
    if options.out is None:
        raise ConfigError("--report: name folders of results, or the one of --table with --out DIR")
    results = results_file(options.out, table.name)
    if not results.is_file():
        raise ConfigError(f"--out {options.out}: no results of table {table.name} ({results.name})")
    loaded("kaffect.studies.reporting:report_folder")(make_plan(table, options), options.out)


def run_plan(plan: Plan, out: Path | None, resume: bool, engine: Engine = LOCAL) -> Path:
    """Run `plan` in its results folder, and return that; rejected data leave no folder behind."""
    with contextlib.ExitStack() as held:
        folder = _results_folder(plan, out, resume)
        known = _lock_file(folder).exists()
        if known:  # a second writer is rejected before it prepares data
            held.enter_context(open_results(plan, out, resume))
        source = loaded("kaffect.studies.runner:open_source")(plan)
        if not known:
            folder = held.enter_context(open_results(plan, out, resume))
        loaded("kaffect.studies.runner:run")(plan, source, folder, resume, engine)
    return folder


@contextlib.contextmanager
def open_results(plan: Plan, out: Path | None, resume: bool) -> Iterator[Path]:
    """Create the results folder of a run of `plan` and lock it against other processes.

    Raises:
        ConfigError: `out` holds results already and `resume` was not asked for, or those of
            another table.
        DatasetError: another process writes there.
    """
    folder = _made(plan, out, resume)
    with writer_lock(folder / _LOCK, f"the results in {folder}"):
        state_data(folder, plan.data)
        yield folder


def _made(plan: Plan, out: Path | None, resume: bool) -> Path:
    """The results folder, made; of two processes that start at one moment each gets its own."""
    while True:
        folder = _results_folder(plan, out, resume)
        try:
            folder.mkdir(parents=True, exist_ok=out is not None or resume)
        except FileExistsError:
            continue
        return folder


def _results_folder(plan: Plan, out: Path | None, resume: bool) -> Path:
    name = f"table-{plan.table.name}-{plan.profile.name}-{data_name(plan.data)}"
    folder = results_folder(out, name, resume, plan.data)
    require_table(folder, plan.table.name)
    return folder


def _lock_file(folder: Path) -> Path:
    return folder / f"{_LOCK}.lock"


def data_name(data: Path | None) -> str:
    """The name of the data in the name of a results folder."""
    return "synthetic" if data is None else data.resolve().name


def describe(plan: Plan) -> None:
    """Print what would run: data, sizes, rows. Writes nothing."""
    table, publication = plan.table, plan.study.publication
    where = f" (the {publication}, Section {table.section})" if table.section else ""
    print(f"Table {table.name}: {table.title}{where}")
    data = plan.data or "the embedded synthetic data"
    print(f"profile {plan.profile.name} on {data}; seeds {', '.join(map(str, plan.seeds))}")
    if table.expected:
        print(f"expected of the {publication}: {table.expected}")
    if table.cost:
        print(f"cost: {table.cost}")
    for variant in plan.variants:
        for note in plan.notes(variant):
            print(f"note{f', {variant}' if variant else ''}: {note}")
    for number, row in plan.rows:
        if plan.lacks_weights(row):
            print(f"row {number:2d}: {row.label}: not run: no weights (--weights FILE)")
    for training in plan.jobs():
        variant = f"{training.variant} " if training.variant else ""
        settings = ", ".join(f"{key}={value}" for key, value in training.row.changes.items())
        print(
            f"{variant}row {training.number:2d} seed {training.seed}: {training.row.label}: "
            f"{settings}  [{training.config.hash()}]"
        )
