"""Table IX from the command line to a plan that is run or only printed (paper Section V-A)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.gan_definitions import GAN_PROFILES, GanProfile, GanRow, GanTable
from experiments.plans import chosen_rows, describe_head, profile_name, require_data, run_plan
from experiments.tables.table_ix import TABLE
from kaffect.labels import AFF_WILD, LabelSpace
from kaffect.training.gan_config import GanConfig


@dataclass(frozen=True)
class GanPlan:
    """Everything that a run of the command will do, before it does it."""

    table: GanTable
    profile: GanProfile
    data: Path | None
    rows: tuple[tuple[int, GanRow], ...]
    seeds: tuple[int, ...]
    configurations: tuple[int, ...]
    kernel: int
    precision: str

    def base(self, configuration: int) -> GanConfig:
        """The settings that all rows of one configuration share."""
        changes = self.profile.changes[configuration]
        kernel = self.kernel if configuration == 2 else 5
        return GanConfig(
            configuration=configuration, kernel=kernel, precision=self.precision, **changes
        )

    def trainings(self, space: LabelSpace) -> Iterator[tuple[int, GanRow, GanConfig]]:
        """Number, row and settings of every training: by configuration, then seed, then row."""
        for configuration in self.configurations:
            base = self.base(configuration)
            for seed in self.seeds:
                for number, row in self.rows:
                    yield number, row, row.configure(base, space, seed)


def make_plan(options: argparse.Namespace) -> GanPlan:
    """Resolve the command line.

    Raises:
        ConfigError: a row that the table does not have, or a path that is not there.
    """
    profile = GAN_PROFILES[profile_name(options)]
    rows = chosen_rows(TABLE.name, TABLE.rows, options.row)
    configurations = (
        profile.configurations if options.configuration is None else (options.configuration,)
    )
    data, seeds = require_data(options.data), tuple(range(options.seeds))
    return GanPlan(
        TABLE, profile, data, rows, seeds, configurations, options.kernel, options.precision
    )


def run_table_ix(options: argparse.Namespace) -> None:
    """Run (or with `--dry-run` describe) Table IX."""
    run_plan(make_plan(options), options, "experiments.gan_run", describe)


def describe(plan: GanPlan) -> None:
    """Print what would run; writes nothing."""
    describe_head(plan, f"Section {plan.table.section}", "the paper's best rows")
    for configuration in plan.configurations:
        for note in plan.profile.deviations(configuration):
            print(f"deviation, configuration {configuration}: {note}")
    for number, row, config in plan.trainings(AFF_WILD):
        print(
            f"row {number} {config.title} seed {config.seed}: "
            f"{row.label}, {config.in_rounds(config.steps)} updates ({config.updates})  "
            f"[{config.hash()}]"
        )
