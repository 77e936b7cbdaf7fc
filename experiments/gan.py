"""Table IX from the command line to a plan that is run or only printed (paper Section V-A)."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.gan_definitions import GAN_PROFILES, GanProfile, GanRow, GanTable
from experiments.results import results_folder
from experiments.tables.table_ix import TABLE
from kaffect.errors import ConfigError
from kaffect.files import writer_lock
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
    profile = GAN_PROFILES[options.profile or ("demo" if options.data is None else "paper")]
    rows = tuple(enumerate(TABLE.rows, start=1))
    if options.row is not None:
        if not 1 <= options.row <= len(rows):
            raise ConfigError(
                f"--row: table {TABLE.name} has rows 1 to {len(rows)}. Received: {options.row}"
            )
        rows = (rows[options.row - 1],)
    if options.data is not None and not options.data.is_dir():
        raise ConfigError(f"--data {options.data}: expected a folder; there is none of that name")
    configurations = (
        profile.configurations if options.configuration is None else (options.configuration,)
    )
    return GanPlan(
        TABLE, profile, options.data, rows, tuple(range(options.seeds)), configurations,
        options.kernel, options.precision,
    )  # fmt: skip


def run_table_ix(options: argparse.Namespace) -> None:
    """Run (or with `--dry-run` describe) Table IX."""
    plan = make_plan(options)
    if options.dry_run:
        describe(plan)
        return
    data_name = "synthetic" if plan.data is None else plan.data.resolve().name
    folder = results_folder(
        options.out, f"table-{plan.table.name}-{plan.profile.name}-{data_name}", options.resume
    )
    folder.mkdir(parents=True, exist_ok=True)
    with writer_lock(folder / "run", f"the results in {folder}"):
        importlib.import_module("experiments.gan_run").run(plan, folder, options.resume)


def describe(plan: GanPlan) -> None:
    """Print what would run; writes nothing."""
    where = plan.data or "the embedded synthetic data"
    print(f"Table {plan.table.name}: {plan.table.title} (Section {plan.table.section})")
    print(f"profile {plan.profile.name} on {where}; seeds {', '.join(map(str, plan.seeds))}")
    print(f"expected of the paper's best rows: {plan.table.expected}")
    print(f"cost: {plan.table.cost}")
    for note in plan.profile.deviations:
        print(f"deviation: {note}")
    for number, row, config in plan.trainings(AFF_WILD):
        size = f"{config.image_size}x{config.image_size}"
        print(
            f"row {number} configuration {config.configuration} ({size}) seed {config.seed}: "
            f"{row.label}, {config.in_rounds(config.steps)} updates ({config.updates})  "
            f"[{config.hash()}]"
        )
