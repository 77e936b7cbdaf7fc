"""Experiments as data: rows, profiles, tables and figures (paper Section V).

Serves the researcher who reads a table or writes one: a table file holds data only, and
everything that runs it is elsewhere. Importing this loads no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from kaffect.config.base import Settings

Changes = Mapping[str, Any]
PROFILE_NAMES = ("smoke", "demo", "paper")
# What runs every table whose rows are trained.
RUN_TABLE = "kaffect.studies.command:run_table"


@dataclass(frozen=True)
class Row:
    """One line of a table: the settings in which it differs from the others.

    Attributes:
        label: long name; short: for narrow terminals.
        changes: dotted setting -> value.
        start: the file of `--weights` where it is 'given', 'needed' (the row is not run without
            one), or 'none': random initial weights always.
    """

    label: str
    short: str
    changes: Changes
    start: Literal["given", "needed", "none"] = "given"


@dataclass(frozen=True)
class Profile:
    """The size of a run: smoke (does it run), demo (does it learn), paper (does it reproduce).

    Attributes:
        changes: dotted settings under those of a row.
        synthetic: settings of the embedded data (`SyntheticConfig`).
        deviations: what differs from the publication, printed above the table.
        variants: those that run unless the command line names others.
        variant_changes: variant -> more settings.
        seeds: runs of each row of a whole table, unless `--seeds` says otherwise.
    """

    name: str
    changes: Changes = field(default_factory=dict)
    synthetic: Mapping[str, Any] = field(default_factory=dict)
    deviations: tuple[str, ...] = ()
    variants: tuple[str, ...] = ("",)
    variant_changes: Mapping[str, Changes] = field(default_factory=dict)
    seeds: int = 1


@dataclass(frozen=True)
class Experiment:
    """A table or figure of a publication, as `experiments/run.py` lists it.

    Attributes:
        name: on the command line, as the publication prints it.
        title: what it shows.
        study: whose options it takes: a key of `kaffect.studies.registry.STUDIES`.
    """

    name: str
    title: str
    study: str


@dataclass(frozen=True)
class Table(Experiment):
    """A table whose rows are trained.

    Attributes:
        section: where the publication speaks of it; link: to the publication.
        rows: in the publication's order; `--row N` counts from 1.
        expected: the figure that the publication reports for its best row.
        cost: what each profile takes, as measured.
        row_minutes: profile -> processor minutes of one row with one seed, as measured.
        metrics: shown, by the names of `kaffect.studies.report.METRICS`; without them those of the
            publication's figures.
        legend: what abbreviations in the rows' short names mean.
        figures: row -> metric -> the publication's figure; without them those that
            `experiments/reference` has for this name.
        against: the row that differences are from; None: the best one on validation.
    """

    section: str = ""
    rows: tuple[Row, ...] = ()
    expected: str = ""
    cost: str = ""
    row_minutes: Mapping[str, float] = field(default_factory=dict)
    link: str = ""
    metrics: tuple[str, ...] = ()
    legend: str = ""
    figures: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    against: int | None = None


@dataclass(frozen=True)
class NetworkTable(Experiment):
    """A table of layers, printed beside the built network.

    Attributes:
        builder: name of the function in `kaffect.models` that builds it.
        rows: as printed: layer, then filter, stride, padding and units where there are any.
        notes: where the built network differs, and why.
    """

    builder: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figure(Experiment):
    """A figure: what draws it, and the flags that this takes.

    Attributes:
        draw: "module:function", loaded on use; takes the options of the command line.
        flags: names of options.
    """

    draw: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """What all tables of one kind share.

    Attributes:
        run: "module:function" that takes an experiment and the options of the command line.
        flags: names of the options that it reads.
    """

    name: str
    run: str
    flags: tuple[str, ...]

    def command(self) -> Any:
        """The function `run`."""
        return loaded(self.run)


@dataclass(frozen=True)
class TrainedStudy(Study):
    """A study whose rows are trained.

    Attributes:
        config: its settings.
        profiles: by name.
        adapter: "module:class" of what differs in training and scoring its rows.
        settings_of_flags: flag -> the setting that it stands for.
        with_weights: file of `--weights` -> the settings that it brings with it.
        head_notes: configuration of a row -> notes above the table about it; raises
            `ConfigError` where its settings contradict each other.
        variants: name -> settings; tables of this study are made once for each.
        partition: whose split its tables use ('expression', 'au', 'all').
        publication: its name in column heads; paper_data: the data of its figures.
        runs: how the publication got its figures, a sentence.
        criterion: by which the best row on validation is told.
        synthetic_name: of the embedded data in reports.
        states_weights: whether reports say which file the rows start from.
    """

    config: type[Settings]
    profiles: Mapping[str, Profile]
    adapter: str
    partition: str
    settings_of_flags: Mapping[str, str] = field(default_factory=dict)
    with_weights: Callable[[str], Changes] = lambda path: {}
    head_notes: Callable[[Any], tuple[str, ...]] = lambda config: ()
    variants: Mapping[str, Changes] = field(default_factory=lambda: {"": {}})
    publication: str = "paper"
    paper_data: str = "Aff-Wild"
    runs: str = "The paper reports single runs on its test split."
    criterion: str = "mean CCC plus macro F1"
    synthetic_name: str = "synthetic Aff-Wild"
    states_weights: bool = False


def loaded(place: str) -> Any:
    """The object that "module:name" names; imported on use, so that --help answers at once."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
