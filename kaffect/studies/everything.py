"""`--table all`: every table of both studies, in an order that shares work (for the researcher)."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping
from pathlib import Path

from kaffect.errors import KaffectError
from kaffect.studies.command import data_name
from kaffect.studies.experiment import Experiment, Table
from kaffect.studies.options import RUN, require_used
from kaffect.studies.plan import Plan, make_plan, profile_name
from kaffect.studies.registry import STUDIES, TRAINED
from kaffect.studies.results import results_folder

ALL = "ALL"
# What every table takes.
USED = tuple(name for name in RUN if name not in ("row", "set", "start", "report"))
# Tables of one study stand together: they share prepared data, trained CNNs and features.
_ORDER = ("data", "layers", "recognition", "framewise", "gan")


def run_all(experiments: Mapping[str, Experiment], options: argparse.Namespace) -> None:
    """Run every table, each in a folder of its own; with `--dry-run` print what that would be.

    If a table fails the others still run; `--resume` continues all of them.

    Raises:
        ConfigError: a flag that not every table takes.
        KaffectError: tables that failed, after the others have run.
    """
    require_used(options, USED, "{}: not every table takes it; --table NAME of one that does")
    tables = sorted(experiments.values(), key=lambda table: _ORDER.index(table.study))
    plans = {t.name: make_plan(t, options) for t in tables if isinstance(t, Table)}
    _print_plans(plans)
    if options.dry_run:
        return
    profile = profile_name(options)
    name = f"all-{profile}-{data_name(options.data)}"
    root = results_folder(options.out, name, options.resume, options.data)
    failed = [text for table in tables if (text := _failure(table, options, root))]
    if failed:
        raise KaffectError("; ".join(failed))


def _failure(table: Experiment, options: argparse.Namespace, root: Path) -> str | None:
    """Run one table; what went wrong, in words."""
    own = copy.copy(options)
    own.out = root / f"table-{table.name}" if table.study in TRAINED else root
    if table.study in TRAINED and not options.resume and any(own.out.glob("*.jsonl")):
        return f"table {table.name}: {own.out} holds an earlier run; add --resume"
    print(f"== Table {table.name}: {table.title}", flush=True)
    try:
        STUDIES[table.study].command()(table, own)
    except KaffectError as error:
        print(f"Table {table.name}: {error}", flush=True)
        return f"table {table.name}: {error}"
    return None


def _print_plans(plans: Mapping[str, Plan]) -> None:
    """One line a table: rows, seeds and an estimate of the time; their sum."""
    total, unknown = 0.0, False
    for plan in plans.values():
        trainings = sum(1 for _ in plan.jobs())
        minutes = plan.table.row_minutes.get(plan.profile.name)
        time = "time not measured"
        if minutes is not None:
            total += minutes * trainings
            time = f"about {minutes * trainings:.0f} processor minutes"
        unknown = unknown or minutes is None
        seeds = "1 seed" if len(plan.seeds) == 1 else f"{len(plan.seeds)} seeds"
        print(f"table {plan.table.name}: {len(plan.rows)} rows, {seeds}: {trainings} runs, {time}")
    more = ", without what was not measured" if unknown else ""
    print(f"in all about {total:.0f} processor minutes{more}")
