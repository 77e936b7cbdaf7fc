"""Tables A1 to A5 from the command line to a plan that is run or only printed (second study)."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.affwild2_definitions import FRAME_PROFILES, FrameProfile, FrameRow, FrameTable
from experiments.plans import (
    TreeOptions,
    chosen_rows,
    describe_head,
    profile_name,
    require_data,
    require_weights,
    run_plan,
)
from kaffect.errors import ConfigError
from kaffect.labels import TASKS
from kaffect.settings import parse_setting
from kaffect.training.frames_config import FrameConfig

STILLS_SUFFIX = ".csv"


def load_table(name: str) -> FrameTable:
    """The table of that name, from `experiments/tables/table_<name>.py`."""
    table: FrameTable = importlib.import_module(f"experiments.tables.table_{name.lower()}").TABLE
    return table


@dataclass(frozen=True)
class FramePlan:
    """Everything that a run of the command will do, before it does it.

    Attributes:
        data: a data tree, a list of stills (.csv), or None for the embedded data.
        overrides: settings of the command line, over every row.
        weights: a file of ResNet-18 weights for the rows that start from one.
        criteria: whose formulas the table shows, a key of `CRITERIA`.
    """

    table: FrameTable
    profile: FrameProfile
    data: Path | None
    rows: tuple[tuple[int, FrameRow], ...]
    seeds: tuple[int, ...]
    overrides: dict[str, Any]
    weights: str | None
    criteria: str = "official"
    tree: TreeOptions = TreeOptions()

    def configurations(self) -> Iterator[tuple[int, FrameRow, FrameConfig]]:
        """Number, row and configuration of every training, seed by seed."""
        for seed in self.seeds:
            for number, row in self.rows:
                if not self.lacks_weights(row):
                    yield number, row, self.configure(row, seed)

    def lacks_weights(self, row: FrameRow) -> bool:
        """Whether `row` is not run because it needs a weights file and there is none."""
        return row.start == "needed" and self.weights is None

    @property
    def notes(self) -> tuple[str, ...]:
        """What differs from the study in every row: sizes, and without a file the first weights."""
        if self.weights is None:
            return (*self.profile.deviations, "no weights file: He initialisation")
        rows = [str(n) for n, row in enumerate(self.table.rows, 1) if row.start != "none"]
        which = "" if len(rows) == len(self.table.rows) else f" (rows {', '.join(rows)})"
        return (*self.profile.deviations, f"initial weights: {Path(self.weights).name}{which}")

    def configure(self, row: FrameRow, seed: int) -> FrameConfig:
        return row.configure(self.profile, self.overrides, self.weights, seed)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those that any row trains."""
        trained = {task for _, row in self.rows for task in self.configure(row, 0).loss.tasks}
        return tuple(task for task in TASKS if task in trained)

    @property
    def image_size(self) -> int:
        """Of all rows: they see the same pictures."""
        return self.configure(self.rows[0][1], 0).model.image_size


def make_plan(options: argparse.Namespace) -> FramePlan:
    """Resolve the command line.

    Raises:
        ConfigError: a row that the table does not have, a path that is not there, or a setting
            that does not exist.
    """
    table = load_table(options.table)
    data = options.data
    if data is None or data.suffix.lower() != STILLS_SUFFIX:
        data = require_data(data)
    elif not data.is_file():
        raise ConfigError(f"--data {data}: expected a list of stills; there is no such file")
    overrides = dict(parse_setting(text, FrameConfig.parts()) for text in options.set)
    if "train.seed" in overrides:
        raise ConfigError("--set train.seed: expected --seeds N, which trains with seeds 0 to N-1")
    if options.precision != "auto":
        overrides["train.precision"] = options.precision
    plan = FramePlan(
        table=table,
        profile=FRAME_PROFILES[profile_name(options)],
        data=data,
        rows=chosen_rows(table.name, table.rows, options.row),
        seeds=tuple(range(options.seeds)),
        overrides=overrides,
        weights=require_weights(options.weights),
        criteria=options.criteria,
        tree=TreeOptions.of(options),
    )
    list(plan.configurations())  # a wrong setting is told before anything is written
    return plan


def run_table(options: argparse.Namespace) -> None:
    """Run (or with `--dry-run` describe) a table of the second study."""
    run_plan(make_plan(options), options, "experiments.affwild2_run", describe)


def describe(plan: FramePlan) -> None:
    """Print what would run: data, sizes, rows. Writes nothing and needs no TensorFlow."""
    describe_head(plan, f"second study, {plan.table.section}", "the study")
    for note in plan.notes:
        print(f"note: {note}")
    for number, row in plan.rows:
        if plan.lacks_weights(row):
            print(f"row {number:2d}: {row.label}: not run: no weights (--weights FILE)")
    for number, row, config in plan.configurations():
        settings = ", ".join(f"{key}={value}" for key, value in row.changes.items())
        print(
            f"row {number:2d} seed {config.train.seed}: {row.label}: {settings} [{config.hash()}]"
        )
