"""What the paper reports, typed once from its tables (I to IV, IX to XI) and Sections I to III.

Serves every comparison "paper | ours". The figures are those printed, but for
the two F1 columns of Table XI, whose headers are swapped there. Each error of
the paper stands in ERRATA.md with the test that pins it, each choice that the
paper leaves open in DECISIONS.md.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass

from kaffect.studies.finding import CHECKOUT

FOLDER = CHECKOUT / "reference"
TABLES = ("IX", "X", "XI")


@dataclass(frozen=True)
class Split:
    """One part of a subject-independent partition (Section II-D)."""

    task: str
    split: str
    videos: int
    frames: int
    source: str


@dataclass(frozen=True)
class Fact:
    """One number from the paper's text, and where it stands."""

    value: int
    source: str


@dataclass(frozen=True)
class StudyCount:
    """The number of Aff-Wild2 frames or videos that the second study used for one task.

    Attributes:
        table: of that task alone; task: 'va', 'expression' or 'au'.
        of: 'videos'; 'all' frames or 'about' so many; those of 'train' or 'validation'.
    """

    table: str
    task: str
    of: str
    value: int
    source: str


@dataclass(frozen=True)
class StudyLoss:
    """A loss that the second study prints; `epoch` is a number, 'first' or 'last'."""

    table: str
    term: str
    split: str
    epoch: str
    value: float
    source: str


def _read(name: str) -> list[dict[str, str]]:
    with open(FOLDER / name, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def published_figures(table: str) -> dict[int, dict[str, float]]:
    """The figures that the publication prints in a table: row number, from 1 -> metric -> figure.

    A metric that is printed as "-" is absent; so is every row of a table without figures, and
    all of them where kaffect is not run from a checkout.
    """
    if (FOLDER / f"table_{table.lower()}.csv").is_file() and table in TABLES:
        return {
            int(record["row"]): _metrics(record) for record in _read(f"table_{table.lower()}.csv")
        }
    found: dict[int, dict[str, float]] = {}
    if (FOLDER / "affwild2.csv").is_file():
        for record in _read("affwild2.csv"):
            if record["table"] == table:
                found.setdefault(int(record["row"]), {})[record["metric"]] = float(record["value"])
    return found


def _metrics(record: Mapping[str, str]) -> dict[str, float]:
    names = (n for n in record if n.startswith(("ccc", "accuracy", "f1", "au_")))
    return {name: float(record[name]) for name in names if record[name]}


def action_unit_frames() -> dict[str, int]:
    """Table III: frames in which each Action Unit is active."""
    return {record["action_unit"]: int(record["frames"]) for record in _read("table_iii.csv")}


def attributes(table: str) -> dict[str, str]:
    """Table I or IV: attribute -> value, as printed."""
    return {r["attribute"]: r["value"] for r in _read(f"table_{table.lower()}.csv")}


def sample_frames() -> list[dict[str, str]]:
    """Table II: image, valence, arousal and the active Action Units."""
    return _read("table_ii.csv")


def splits() -> list[Split]:
    """Section II-D: videos and frames of each split of the two partitions."""
    return [
        Split(r["task"], r["split"], int(r["videos"]), int(r["frames"]), r["source"])
        for r in _read("splits.csv")
    ]


def facts() -> dict[str, Fact]:
    """Numbers from the text of Sections I to III."""
    return {r["name"]: Fact(int(r["value"]), r["source"]) for r in _read("facts.csv")}


def study_counts(table: str) -> list[StudyCount]:
    """What the second study counted for Table A1, A2 or A3; empty outside of a checkout."""
    return [
        StudyCount(table, r["task"], r["of"], int(r["value"]), r["source"])
        for r in _of_table("affwild2_counts.csv", table)
    ]


def study_losses(table: str) -> list[StudyLoss]:
    """The losses by epoch that the second study prints of A2, A3 or A4; empty as above."""
    return [
        StudyLoss(table, r["term"], r["split"], r["epoch"], float(r["value"]), r["source"])
        for r in _of_table("affwild2_losses.csv", table)
    ]


def _of_table(name: str, table: str) -> list[dict[str, str]]:
    if not (FOLDER / name).is_file():
        return []
    return [record for record in _read(name) if record["table"] == table]
