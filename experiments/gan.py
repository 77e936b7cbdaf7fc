"""Table IX from the command line to a plan that is run or only printed (paper Section V-A)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.gan_definitions import GAN_PROFILES, GanProfile, GanRow, GanTable, compared
from experiments.plans import (
    TreeOptions,
    chosen_rows,
    describe_head,
    profile_name,
    require_data,
    run_plan,
)
from experiments.tables.table_ix import TABLE
from kaffect.errors import ConfigError
from kaffect.labels import AFF_WILD, LabelSpace
from kaffect.settings import parse_setting
from kaffect.training.gan_config import GanConfig

_ROWS = "--row N: the rows of the table differ in it"
_ELSEWHERE = {
    "configuration": "--configuration 1 or 2",
    "kernel": "--kernel 5 or 7",
    "precision": "--precision",
    "seed": "--seeds N, which trains with seeds 0 to N-1",
    "valence_arousal": _ROWS,
    "action_units": _ROWS,
    "va_loss": _ROWS,
    "label_space": "--data DIR: its annotations decide it",
}


@dataclass(frozen=True)
class GanPlan:
    """Everything that a run of the command will do, before it does it.

    Attributes:
        overrides: settings of the command line, over the profile's, for every row.
    """

    table: GanTable
    profile: GanProfile
    data: Path | None
    rows: tuple[tuple[int, GanRow], ...]
    seeds: tuple[int, ...]
    configurations: tuple[int, ...]
    kernel: int
    precision: str
    overrides: dict[str, Any] = field(default_factory=dict)
    tree: TreeOptions = TreeOptions()

    def base(self, configuration: int) -> GanConfig:
        """The settings that all rows of one configuration share."""
        changes = self.profile.changes[configuration] | self.overrides
        kernel = self.kernel if configuration == 2 else 5
        return GanConfig(
            configuration=configuration, kernel=kernel, precision=self.precision, **changes
        )

    def deviations(self, configuration: int) -> tuple[str, ...]:
        """What stands above the table: of the profile, and every setting of the command line."""
        notes = self.profile.deviations(configuration, without=tuple(self.overrides))
        if not self.overrides:
            return notes
        paper = GanConfig(configuration=configuration)
        return (*notes, f"set on the command line: {', '.join(compared(self.overrides, paper))}")

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
        ConfigError: a row that the table does not have, a path that is not there, a setting that
            is not accepted, or filters of a size that nothing of the plan has.
    """
    profile = GAN_PROFILES[profile_name(options)]
    rows = chosen_rows(TABLE.name, TABLE.rows, options.row)
    configurations = (
        profile.configurations if options.configuration is None else (options.configuration,)
    )
    if options.kernel != GanConfig.kernel and 2 not in configurations:
        raise ConfigError(
            f"--kernel {options.kernel}: configuration 1 has no other filters; "
            "add --configuration 2"
        )
    plan = GanPlan(
        TABLE,
        profile,
        require_data(options.data),
        rows,
        tuple(range(options.seeds)),
        configurations,
        options.kernel,
        options.precision,
        settings_of(options.set),
        TreeOptions.of(options),
    )
    for configuration in configurations:  # a wrong setting is told before anything is written
        try:
            plan.base(configuration)
        except ConfigError as error:
            raise ConfigError(f"configuration {configuration}: {error}") from error
    return plan


def settings_of(texts: Sequence[str]) -> dict[str, Any]:
    """`--set gan.NAME=VALUE` by name, without the settings that rows, data or other flags decide.

    Raises:
        ConfigError: no such setting, or one that is decided elsewhere; says where.
    """
    found = {}
    for text in texts:
        name, value = parse_setting(text, {"gan": GanConfig})
        name = name.removeprefix("gan.")
        if name in _ELSEWHERE:
            raise ConfigError(f"--set gan.{name}: expected {_ELSEWHERE[name]}")
        found[name] = value
    return found


def run_table_ix(options: argparse.Namespace) -> None:
    """Run (or with `--dry-run` describe) Table IX."""
    run_plan(make_plan(options), options, "experiments.gan_run", describe)


def describe(plan: GanPlan) -> None:
    """Print what would run; writes nothing."""
    describe_head(plan, f"Section {plan.table.section}", "the paper's best rows")
    for configuration in plan.configurations:
        for note in plan.deviations(configuration):
            print(f"deviation, configuration {configuration}: {note}")
    for number, row, config in plan.trainings(AFF_WILD):
        print(
            f"row {number} {config.title} seed {config.seed}: "
            f"{row.label}, {config.in_rounds(config.steps)} updates ({config.updates})  "
            f"[{config.hash()}]"
        )
