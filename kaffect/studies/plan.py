"""The plan of a run: rows, seeds, settings and data, resolved before anything is run."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from kaffect.config import Settings, parse_setting
from kaffect.config.preparation import Preparation
from kaffect.errors import ConfigError, expected_received
from kaffect.labels import TASKS
from kaffect.studies.experiment import Changes, Profile, Row, Table, TrainedStudy, loaded
from kaffect.studies.options import PREPARATION, is_given
from kaffect.studies.problems import RowError
from kaffect.studies.registry import TRAINED
from kaffect.weight_files import find_weights

STILLS_SUFFIX = ".csv"
WEIGHTS = "model.weights"
SEED, PRECISION = "train.seed", "train.precision"
# Which frames are scored: with 'paper', those that Section II-D keeps.
_SCORED = ("data.scored", "data.seed")
# Sizes of a run, which every report states anyway; all else that a variant changes deviates.
_SIZES = ("train.steps", "train.evaluate_every")


@dataclass(frozen=True)
class Training:
    """One row of a table with one seed (and, of a GAN, one configuration).

    Attributes:
        number: of the row, counted from 1; seed is in `config`.
        variant: of the study; "" where it has one only.
        settings_hash: of the configuration without its seed.
    """

    number: int
    row: Row
    variant: str
    config: Any
    settings_hash: str

    @property
    def seed(self) -> int:
        seed: int = self.config.train.seed
        return seed

    @property
    def name(self) -> str:
        """The name of its checkpoint folder, pictures and TensorBoard events."""
        before = f"{self.variant}-" if self.variant else ""
        return f"{before}row-{self.number:02d}-seed-{self.seed}"


@dataclass(frozen=True)
class Plan:
    """Everything that a run will do, resolved before it starts.

    Attributes:
        data: a data tree, a prepared folder, a list of stills (.csv), or None for the embedded
            data.
        flags: settings that flags of the command line stand for.
        overrides: settings of `--set`, over every row.
        weights: a file for the rows that start from one.
        start: path and content of the run that these rows start from (`--start`), as settings.
        precision: what "auto" means; None: not decided yet.
        shard: (I, N): only every Nth training, from the Ith on; None: all of them.
        criteria: whose formulas the table shows (framewise study).
        keep_going: leave out videos that cannot be prepared; the report names them.
        profile_steps: so many updates of each row are profiled for TensorBoard.
    """

    table: Table
    profile: Profile
    data: Path | None
    rows: tuple[tuple[int, Row], ...]
    seeds: tuple[int, ...] = (0,)
    variants: tuple[str, ...] = ("",)
    flags: Changes = field(default_factory=dict)
    overrides: Changes = field(default_factory=dict)
    weights: str | None = None
    start: Changes = field(default_factory=dict)
    precision: str | None = None
    shard: tuple[int, int] | None = None
    criteria: str = "official"
    keep_going: bool = False
    profile_steps: int = 0

    @property
    def study(self) -> TrainedStudy:
        """The study that the table belongs to."""
        return TRAINED[self.table.study]

    @property
    def stills(self) -> bool:
        """Whether the data are a list of single pictures."""
        return self.data is not None and self.data.suffix.lower() == STILLS_SUFFIX

    def configure(self, row: Row, seed: int, variant: str = "") -> Settings:
        """The whole configuration of a row: study, profile, row, command line, seed."""
        changes = {
            **self.study.variants[variant],
            **self.profile.changes,
            **self.profile.variant_changes.get(variant, {}),
            **self._start(row),
            **row.changes,
            **({} if row.start == "none" else self.start),
            **self.flags,
            **self.overrides,
            SEED: seed,
        }
        if self.precision and changes.get(PRECISION, "auto") == "auto":
            changes[PRECISION] = self.precision
        return self.study.config().changed(changes)

    def _start(self, row: Row) -> Changes:
        weights = self.overrides.get(WEIGHTS, self.weights)
        if row.start == "none" or weights is None:
            return {}
        return {WEIGHTS: weights, **self.study.with_weights(weights)}

    def trainings(self) -> Iterator[Training]:
        """Every training: by variant, then seed, then row."""
        for variant in self.variants:
            for seed in self.seeds:
                for number, row in self.rows:
                    if not self.lacks_weights(row):
                        yield self.training(number, row, seed, variant)

    def training(self, number: int, row: Row, seed: int, variant: str = "") -> Training:
        """One row with one seed, with everything that the command line says of it."""
        without_seed = self.configure(row, 0, variant).hash()
        return Training(number, row, variant, self.configure(row, seed, variant), without_seed)

    def jobs(self) -> Iterator[Training]:
        """The trainings of this run: those in the plan's shard."""
        first, count = self.shard or (1, 1)
        yield from islice(self.trainings(), first - 1, None, count)

    def lacks_weights(self, row: Row) -> bool:
        """Whether `row` is not run because it needs a weights file and there is none."""
        return row.start == "needed" and self.weights is None

    def preparation(self) -> Preparation:
        """How the data are prepared, for all rows alike.

        Raises:
            ConfigError: the rows ask for different preparations.
        """
        rows: list[tuple[int, Preparation]] = [
            (number, getattr(self.configure(row, 0, variant), Preparation.PART))
            for variant in self.variants
            for number, row in self.rows
        ]
        (first, found), *others = rows
        for number, other in others:
            if other != found:
                raise ConfigError(
                    f"table {self.table.name}: all rows share the data, so that their settings "
                    f"'{Preparation.PART}' are the same. Expected those of row {first}: "
                    f"{found.to_dict()}. Received of row {number}: {other.to_dict()}"
                )
        return found

    @property
    def first(self) -> Settings:
        """The configuration of the first row, whether it is run or lacks its weights."""
        return self.configure(self.rows[0][1], 0, self.variants[0])

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that at least one row trains."""
        trained = {task for _, row in self.rows for task in self.tasks_of(row)}
        return tuple(task for task in TASKS if task in trained)

    def tasks_of(self, row: Row) -> tuple[str, ...]:
        """The tasks that one row trains."""
        each: Any = (self.configure(row, 0, variant) for variant in self.variants)
        trained = {task for config in each for task in config.loss.tasks}
        return tuple(task for task in TASKS if task in trained)

    @property
    def thresholds(self) -> frozenset[str]:
        """How the rows with Action Units choose their thresholds: 'half', 'validation' or both."""
        trained = [t.config for t in self.trainings() if "au" in t.config.loss.tasks]
        return frozenset(getattr(config.train, "thresholds", "half") for config in trained)

    def notes(self, variant: str) -> tuple[str, ...]:
        """What differs from the publication in every row, in sentences."""
        configs = [training.config for training in self.trainings() if training.variant == variant]
        warnings = dict.fromkeys(note for c in configs for note in self.study.head_notes(c))
        notes = (*warnings, *self.profile.deviations)
        changed = {
            name: value
            for name, value in self.profile.variant_changes.get(variant, {}).items()
            if name not in (*_SIZES, *self.overrides)
        }
        paper = self.study.config().changed(self.study.variants[variant]).flat()
        changed = {name: value for name, value in changed.items() if value != paper[name]}
        if changed:
            notes += (f"{self.profile.name} profile: {in_words(changed, paper)}",)
        if self.study.states_weights:
            notes += (self._weights_note(),)
        prepared = {k: v for k, v in self.flags.items() if k in PREPARATION.values()}
        given = {**prepared, **self.overrides}
        if given:
            notes += (f"set on the command line: {in_words(given, paper)}",)
        return notes

    def _weights_note(self) -> str:
        if self.start:
            return "initial weights: of the run that --start names, where they fit; else He's"
        if self.weights is None:
            return "no weights file: He initialisation"
        rows = [str(n) for n, row in enumerate(self.table.rows, 1) if row.start != "none"]
        which = "" if len(rows) == len(self.table.rows) else f" (rows {', '.join(rows)})"
        return f"initial weights: {Path(self.weights).name}{which}"


def in_words(settings: Changes, paper: Mapping[str, Any]) -> str:
    """Each setting beside the publication's: "model.width 0.5 instead of 1"."""

    def shown(value: Any) -> str:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return f"{value:g}" if number else repr(value)

    words = []
    for name, value in settings.items():
        same = value == paper[name]
        beside = "as published" if same else f"instead of {shown(paper[name])}"
        words.append(f"{name} {shown(value)} {beside}")
    return ", ".join(words)


def make_plan(table: Table, options: argparse.Namespace) -> Plan:
    """Resolve the command line.

    Raises:
        ConfigError: a row that the table does not have, a path that is not there, or a setting
            that does not exist or is not accepted.
    """
    study = TRAINED[table.study]
    if options.seeds is not None and options.seeds < 1:
        raise ConfigError(f"--seeds: expected 1 or more. Received: {options.seeds}")
    profile = study.profiles[profile_name(options)]
    seeds = options.seeds or (profile.seeds if options.row is None else 1)
    if options.start is not None and options.weights is not None:
        raise ConfigError("--start and --weights: expected one of them. Received: both")
    plan = Plan(
        table=table,
        profile=profile,
        data=require_data(options.data, stills=table.study == "framewise"),
        rows=chosen_rows(table, options.row),
        seeds=tuple(range(seeds)),
        variants=_variants(study, profile, options),
        flags=_flag_settings(study, options),
        overrides=overrides_of(options.set, study),
        weights=require_weights(options.weights),
        start=start_of(options.start),
        shard=shard_of(options.shard),
        criteria=options.criteria,
        keep_going=options.keep_going,
        profile_steps=profile_steps(options.profile_steps),
    )
    check(plan)
    return plan


def shard_of(text: str | None) -> tuple[int, int] | None:
    """`--shard 2/3` as (2, 3).

    Raises:
        ConfigError: not two whole numbers, or a shard beyond their number.
    """
    if text is None:
        return None
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise ConfigError(expected_received("--shard", "I/N with I from 1 to N, as 1/3", text))
    return int(first), int(count)


def profile_steps(given: int) -> int:
    """`--profile-steps`, checked.

    Raises:
        ConfigError: below 0.
    """
    if given < 0:
        raise ConfigError(expected_received("--profile-steps", "0 or more", given))
    return given


def check(plan: Plan) -> None:
    """Reject bad settings before anything is written."""
    for variant in plan.variants:
        for number, row in plan.rows:
            try:
                plan.study.head_notes(plan.configure(row, 0, variant))
            except ConfigError as error:
                which = f"{variant}, row {number}" if variant else f"row {number}"
                message = f"table {plan.table.name}, {which}: {error}"
                spoken = [name for name in row.changes if name in str(error)]
                raise RowError(message, row.label, spoken) from error
    plan.preparation()
    _require_same_frames(plan)


def _require_same_frames(plan: Plan) -> None:
    """Rows of other videos, or scored on other frames of them, cannot stand in one table."""
    settings = [training.config.flat() for training in plan.trainings()]
    for names, apart in ((("data.partition",), None), (_SCORED, "paper")):
        found = {tuple(values.get(name) for name in names) for values in settings}
        if len(found) > 1 and (apart is None or any(apart in values for values in found)):
            what = f"table {plan.table.name}: {' and '.join(names)} of its rows"
            raise ConfigError(expected_received(what, "the same for all", sorted(found, key=str)))


def _variants(
    study: TrainedStudy, profile: Profile, options: argparse.Namespace
) -> tuple[str, ...]:
    if "configuration" not in study.flags:
        return profile.variants
    names = profile.variants
    if options.configuration is not None:
        names = (f"configuration-{options.configuration}",)
    if not is_given(options, "kernel"):
        return names
    other = f"-kernel-{options.kernel}"
    if not any(name + other in study.variants for name in names):
        raise ConfigError(
            f"--kernel {options.kernel}: configuration 1 has no other filters; "
            "add --configuration 2"
        )
    return tuple(name + other if name + other in study.variants else name for name in names)


def _flag_settings(study: TrainedStudy, options: argparse.Namespace) -> Changes:
    return {
        setting: getattr(options, flag)
        for flag, setting in study.settings_of_flags.items()
        if is_given(options, flag)
    }


def overrides_of(texts: Sequence[str], study: TrainedStudy) -> Changes:
    """`--set NAME=VALUE` by name, without the seed, which has a flag of its own.

    Raises:
        ConfigError: no such setting, a value that is not accepted, or the seed.
    """
    found = dict(parse_setting(text, study.config) for text in texts)
    if SEED in found:
        raise ConfigError(f"--set {SEED}: expected --seeds N, which trains with seeds 0 to N-1")
    return found


def chosen_rows(table: Table, wanted: int | None) -> tuple[tuple[int, Row], ...]:
    """The rows that `--row` leaves, each with its number, counted from 1.

    Raises:
        ConfigError: a row that the table does not have.
    """
    numbered = tuple(enumerate(table.rows, start=1))
    if wanted is None:
        return numbered
    if not 1 <= wanted <= len(numbered):
        accepted = f"table {table.name} has rows 1 to {len(numbered)}"
        raise ConfigError(f"--row: {accepted}. Received: {wanted}")
    return (numbered[wanted - 1],)


def profile_name(options: argparse.Namespace) -> str:
    """`--profile`; without it `demo` on the embedded data and `paper` on the user's own."""
    name: str = options.profile or ("demo" if options.data is None else "paper")
    return name


def require_data(data: Path | None, stills: bool = False) -> Path | None:
    """`--data`, checked.

    Args:
        stills: whether a list of single pictures (.csv) is accepted too.

    Raises:
        ConfigError: a path that is no folder.
    """
    if stills and data is not None and data.suffix.lower() == STILLS_SUFFIX:
        if not data.is_file():
            raise ConfigError(f"--data {data}: expected a list of stills; there is no such file")
    elif data is not None and not data.is_dir():
        raise ConfigError(f"--data {data}: expected a folder; there is none of that name")
    return data


def require_weights(weights: str | None) -> str | None:
    """`--weights`, checked.

    Raises:
        ConfigError: there is no such file, or a checkpoint is not complete.
    """
    if weights is not None:
        find_weights(weights)
    return weights


def start_of(path: Path | None) -> Changes:
    """The settings that `--start` stands for, with the hash of what is there now.

    Raises:
        StartError: there is no trained network.
    """
    if path is None:
        return {}
    content: str = loaded("kaffect.studies.starting:content_of")(path)
    return {"start.run": str(path), "start.content": content}


def with_precision(plan: Plan, precision: str) -> Plan:
    """`plan` with what "auto" means on this machine."""
    return replace(plan, precision=precision)
