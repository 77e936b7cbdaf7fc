"""Tables X and XI from the command line to a plan that is run or only printed (Section V-B)."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.definitions import AnyRow, Table
from experiments.plans import (
    TreeOptions,
    chosen_rows,
    describe_head,
    profile_name,
    require_data,
    require_weights,
    run_plan,
)
from experiments.profiles import PROFILES, Profile
from kaffect.config import RunConfig, TrainConfig


def load_table(name: str) -> Table:
    """The table of that name, from `experiments/tables/table_<name>.py`."""
    table: Table = importlib.import_module(f"experiments.tables.table_{name.lower()}").TABLE
    return table


@dataclass(frozen=True)
class Plan:
    """Everything that a run of the command will do, before it does it."""

    table: Table
    profile: Profile
    data: Path | None
    rows: tuple[tuple[int, AnyRow], ...]
    seeds: tuple[int, ...]
    base: RunConfig
    tree: TreeOptions = TreeOptions()

    def configurations(self) -> Iterator[tuple[int, AnyRow, RunConfig]]:
        """Number, row and configuration of every training, seed by seed."""
        for seed in self.seeds:
            for number, row in self.rows:
                yield number, row, row.configure(self.base, seed)


def make_plan(options: argparse.Namespace) -> Plan:
    """Resolve the command line.

    Raises:
        ConfigError: a row that the table does not have, or a path that is not there.
    """
    table = load_table(options.table)
    profile = PROFILES[profile_name(options)]
    rows = chosen_rows(table.name, table.rows, options.row)
    require_weights(options.weights)
    model = dataclasses.replace(
        profile.model, implementation=options.implementation, weights=options.weights
    )
    pretrain = profile.pretrain
    if options.weights is not None:
        pretrain = dataclasses.replace(pretrain, steps=0)
    train = TrainConfig(
        steps=profile.steps,
        evaluate_every=profile.evaluate_every,
        patience=profile.patience,
        precision=options.precision,
        cnn=options.cnn,
    )
    base = RunConfig(model=model, pretrain=pretrain, train=train)
    seeds = tuple(range(options.seeds))
    tree = TreeOptions.of(options)
    return Plan(table, profile, require_data(options.data), rows, seeds, base, tree)


def run_table(options: argparse.Namespace) -> None:
    """Run (or with `--dry-run` describe) a recognition table."""
    run_plan(make_plan(options), options, "experiments.table_run", describe)


def describe(plan: Plan) -> None:
    """Print what would run: data, sizes, rows. Writes nothing and needs no TensorFlow."""
    describe_head(plan, f"Section {plan.table.section}", "the paper's best row")
    for note in plan.profile.deviations:
        print(f"deviation: {note}")
    for number, row, config in plan.configurations():
        settings = ", ".join(f"{key}={value}" for key, value in row.settings.items())
        print(f"row {number:2d} seed {config.train.seed}: {settings}  [{config.hash()}]")
