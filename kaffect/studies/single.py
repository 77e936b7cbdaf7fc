"""One training, of still pictures, a file of settings or a table's row: what `kaffect train` runs.

Serves the researcher who changes one setting and wants everything else (data,
CNN, checkpoints, report) as the tables have it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from kaffect.data.prepared.stills import read_stills
from kaffect.errors import ConfigError, expected_received
from kaffect.files import read_json
from kaffect.studies.command import run_plan
from kaffect.studies.experiment import Row, Table
from kaffect.studies.finding import find_trained, located
from kaffect.studies.framewise.stills import METRICS, still_settings
from kaffect.studies.options import TREE, require_used
from kaffect.studies.plan import SEED, STILLS_SUFFIX, Plan, make_plan, require_data
from kaffect.studies.registry import TRAINED

NAME = "run"
# Of `kaffect train --config`: what is no setting, or goes with the data.
_WITH_A_FILE = ("data", "profile", "out", "resume", "dry_run", "start", "profile_steps", *TREE)
_WITH_A_TASK = (
    "task",
    "data",
    "set",
    "start",
    "precision",
    "out",
    "resume",
    "dry_run",
    "profile_steps",
)


def train_one(options: argparse.Namespace) -> None:
    """Run one training, or with `--dry-run` print its settings as JSON.

    Raises:
        ConfigError: no such file or row, or settings that are not accepted.
    """
    plan = _plan_of(options)
    training = next(plan.trainings(), None)
    if training is None:
        raise ConfigError(f"table {plan.table.name}, row {options.row} needs --weights FILE")
    if options.dry_run:
        print(json.dumps({"study": plan.study.name, **training.config.to_dict()}, indent=2))
        return
    folder = run_plan(plan, options.out, options.resume)
    print(f"run: {folder / 'checkpoints' / training.name}")


def _plan_of(options: argparse.Namespace) -> Plan:
    if options.task is not None:
        return _plan_of_stills(options)
    return _plan_of_row(options) if options.config is None else _plan_of_file(options)


def _plan_of_stills(options: argparse.Namespace) -> Plan:
    """The plan of `--task`: a list of still pictures, with settings that fit their number."""
    require_used(options, _WITH_A_TASK, "{}: --task does not use it")
    data: Path | None = options.data
    if data is None or data.suffix.lower() != STILLS_SUFFIX:
        what = f"train --task {options.task}: --data"
        received = "nothing" if data is None else data
        raise ConfigError(expected_received(what, "a list of pictures (LIST.csv)", received))
    require_data(data, stills=True)
    pictures = read_stills(data).splits["train"]
    settings = still_settings(options.task, int(pictures.valid(options.task).sum()))
    title = f"{options.task} of still pictures"
    table = Table(
        NAME, title, "framewise", rows=(Row(title, title, settings),), metrics=METRICS[options.task]
    )
    return _with_the_rows_settings(make_plan(table, options), options)


def _with_the_rows_settings(plan: Plan, options: argparse.Namespace) -> Plan:
    """`plan` without the profile's settings; only its embedded data stay those of the profile."""
    profile = replace(plan.profile, changes={}, variant_changes={}, deviations=())
    return replace(plan, profile=profile, seeds=(options.seed,))


def _plan_of_row(options: argparse.Namespace) -> Plan:
    table = find_trained(options.table)
    if options.row is None:
        raise ConfigError(f"train --table {options.table}: name one row with --row N")
    flags = TRAINED[table.study].flags
    require_used(options, flags, f"{{}}: table {table.name} does not use it")
    with located(options.table):
        plan = make_plan(table, options)
    return replace(plan, seeds=(options.seed,), variants=plan.variants[:1])


def _plan_of_file(options: argparse.Namespace) -> Plan:
    """The plan of one training with the settings in `--config` (JSON, as `--dry-run` prints)."""
    path: Path = options.config
    require_used(options, _WITH_A_FILE, "{}: --config does not use it")
    values = _read(path)
    name = values.pop("study", "recognition")
    if name not in TRAINED:
        raise ConfigError(expected_received(f"{path}: study", tuple(TRAINED), name))
    study = TRAINED[name]
    config = study.config.from_dict(values, str(path))
    changes = {key: value for key, value in config.flat().items() if key != SEED}
    row = Row(path.stem, path.stem, changes)
    table = Table(NAME, f"settings of {path.name}", name, rows=(row,))
    plan = _with_the_rows_settings(make_plan(table, options), options)
    return replace(plan, variants=_variant(study, config))


def _variant(study: Any, config: Any) -> tuple[str, ...]:
    settings = config.flat()
    fitting = [
        name
        for name, changes in study.variants.items()
        if all(settings[key] == value for key, value in changes.items())
    ]
    return (fitting[-1],)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"--config {path}: no such file")
    values = read_json(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a JSON object of settings. Received: {values!r:.60}")
    return values
