"""One training from a file of settings, or from one row of a table: what `kaffect train` runs.

Serves the researcher who changes one setting and wants everything else (data,
CNN, checkpoints, report) as the tables have it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.definitions import Table
from experiments.plans import TreeOptions, profile_name, require_data, run_plan
from experiments.profiles import PROFILES
from experiments.recognition import Plan, make_plan
from kaffect.config import RunConfig, from_dict
from kaffect.errors import ConfigError
from kaffect.files import read_json

NAME = "run"


@dataclass(frozen=True)
class GivenRow:
    """The settings of a file as the only row of a table; nothing but the seed may change."""

    label: str
    settings: dict[str, Any]

    def configure(self, base: RunConfig, seed: int) -> RunConfig:
        """`base` itself, with `seed`."""
        return dataclasses.replace(base, train=dataclasses.replace(base.train, seed=seed))


def plan_from_file(path: Path, options: argparse.Namespace) -> Plan:
    """The plan of one training with the settings in `path` (JSON, as `--dry-run` prints them).

    Raises:
        ConfigError: no such file, not JSON, an unknown setting or a value that is refused.
    """
    config = from_dict(RunConfig, _read(path), str(path))
    # The steps are the file's; only the embedded data are those of the profile.
    profile = dataclasses.replace(PROFILES[profile_name(options)], epochs=None, deviations=())
    settings = {**config.to_dict()["loss"], "learning_rate": config.train.learning_rate}
    row = GivenRow(path.stem, settings)
    table = Table(NAME, f"settings of {path.name}", "", (row,), "", "")
    data = require_data(options.data)
    tree = TreeOptions.of(options)
    return Plan(table, profile, data, ((1, row),), (options.seed,), config, tree)


def plan_from_row(options: argparse.Namespace) -> Plan:
    """The plan of one row of Table X or XI with one seed."""
    return dataclasses.replace(make_plan(options), seeds=(options.seed,))


def train_one(plan: Plan, options: argparse.Namespace) -> None:
    """Run `plan`, or with `--dry-run` print its settings as JSON."""
    folder = run_plan(plan, options, "experiments.table_run", _print_settings)
    if folder is not None:
        print(f"run: {folder / 'checkpoints'}")


def _print_settings(plan: Plan) -> None:
    ((_, _, config),) = plan.configurations()
    print(json.dumps(config.to_dict(), indent=2))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"--config {path}: no such file")
    values = read_json(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a JSON object of settings. Received: {values!r:.60}")
    return values
