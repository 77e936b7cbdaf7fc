"""What the paper reports, typed once from its tables (I to IV, IX to XI) and Sections I to III.

Serves every comparison "paper | ours". The figures are those printed, but for
the two F1 columns of Table XI, whose headers are swapped there. Each error of
the paper stands in ERRATA.md with the test that pins it, each choice that the
paper leaves open in DECISIONS.md.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaffect.errors import ConfigError, expected_received
from kaffect.studies.report.summary import ReferenceRow

FOLDER = Path(__file__).parent
TABLES = ("IX", "X", "XI")

_NUMBERS = ("alpha", "beta", "learning_rate")
_VA = {"ccc": "CCC", "mse": "MSE"}
_EXPRESSION = {
    "cross_entropy": ("cross entropy", "CE"),
    "mse_before_softmax": ("MSE before softmax", "MSE pre"),
    "mse_after_softmax": ("MSE after softmax", "MSE post"),
}
_DISCRIMINATOR = {"va": "only VA", "au": "only AU", "va+au": "VA + AU"}

LEGENDS = {
    "IX": "CE: cross entropy over the Action Units.",
    "X": "Weights (alpha, beta) of Eq. 6, with CCC, cross entropy and learning rate 1e-3.",
    "XI": (
        "Valence/arousal loss + expression loss, learning rate. CE: cross entropy; "
        "pre, post: MSE before or after the softmax."
    ),
}


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


def _read(name: str) -> list[dict[str, str]]:
    with open(FOLDER / name, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _labels(table: str, settings: dict[str, Any]) -> tuple[str, str]:
    """The long and the short name of a row."""
    if table == "X":
        name = f"({settings['alpha']:g}, {settings['beta']:g})"
        note = {(0, 1): " only expressions", (1, 0): " only VA"}
        return (name + note.get((settings["alpha"], settings["beta"]), ""),) * 2
    va = _VA.get(settings["va_loss"] or "", "")
    if table == "IX":
        losses = [va] * bool(va) + ["cross entropy"] * ("au" in settings["tasks"])
        name = f"{_DISCRIMINATOR[settings['tasks']]}: {' + '.join(losses)}"
        return name, name.replace("cross entropy", "CE")
    long, short = _EXPRESSION[settings["expression_loss"]]
    rate = f"{settings['learning_rate']:.0e}".replace("e-0", "e-")
    return f"{va} + {long}, {rate}", f"{va} + {short} {rate}"


def rows(table: str) -> list[ReferenceRow]:
    """The rows of Table IX, X or XI in the paper's order.

    Returns:
        One `ReferenceRow` each; its `metrics` lack what the paper prints as "-".

    Raises:
        ConfigError: another table.
    """
    if table not in TABLES:
        raise ConfigError(expected_received("Table with reference figures", TABLES, table))
    found = []
    for record in _read(f"table_{table.lower()}.csv"):
        number, source = int(record.pop("row")), record.pop("source")
        metrics, settings = {}, {}
        for name, text in record.items():
            if name.startswith(("ccc", "accuracy", "f1", "au_")):
                if text:
                    metrics[name] = float(text)
            else:
                settings[name] = float(text) if name in _NUMBERS else (text or None)
        label, short = _labels(table, settings)
        found.append(ReferenceRow(number, label, short, metrics, settings, source))
    return found


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
