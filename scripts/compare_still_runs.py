"""Compares trainings of `kaffect train --task expression` on the test pictures of their list.

    python scripts/compare_still_runs.py faces.csv --first RUN ... [--second RUN ...]

RUN is the folder of one run. Prints accuracy and macro F1 of each, the mean over the runs of each
side, and the mean difference of the sides with its 95 % interval: over pictures, and with two or
more runs on a side, which are paired in their order, over seeds as well. Nothing is trained.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.data.prepared.stills import read_stills  # noqa: E402
from kaffect.errors import ConfigError, expected_received  # noqa: E402
from kaffect.files import read_json  # noqa: E402
from kaffect.metrics import clustered_interval  # noqa: E402
from kaffect.metrics.crossed import crossed_interval  # noqa: E402
from kaffect.metrics.intervals import paired_interval  # noqa: E402

METRICS = ("accuracy", "f1_macro")


def answers(run: Path, names: list[str], classes: tuple[str, ...]) -> np.ndarray:
    """Class numbers [n] of the run's answers for the pictures `names`."""
    with open(run / "predictions.csv", newline="", encoding="utf-8") as file:
        said = {line["path"]: line["expression"] for line in csv.DictReader(file)}
    if set(said) != set(names):
        what = f"{run}/predictions.csv: pictures"
        raise ConfigError(expected_received(what, f"the {len(names)} of the list", len(said)))
    return np.array([classes.index(said[name]) for name in names])


def compared(labels: np.ndarray, sides: list[list[np.ndarray]]) -> list[str]:
    """Lines of text for one or two sides of runs, each a list of answers [n]."""
    pictures, lines = np.arange(len(labels)), []
    for metric in METRICS:
        for name, side in zip(("first", "second"), sides):
            own = [clustered_interval(labels, said, pictures, metric) for said in side]
            scores = [found.estimate for found in own]
            each = ", ".join(f"{score:.4f}" for score in scores)
            interval = f" [{own[0].low:.4f}, {own[0].high:.4f}]" if len(own) == 1 else ""
            lines.append(f"{metric} {name}: mean {np.mean(scores):.4f}{interval} (of {each})")
        if len(sides) == 2:
            lines.append(f"{metric} first - second: {_difference(labels, sides, metric)}")
    return lines


def _difference(labels: np.ndarray, sides: list[list[np.ndarray]], metric: str) -> str:
    pictures, (first, second) = np.arange(len(labels)), sides
    if len(first) == len(second) == 1:
        one = paired_interval(labels, first[0], second[0], pictures, metric)
        return f"{one.estimate:+.4f} [{one.low:+.4f}, {one.high:+.4f}] over pictures; one run each"
    many = crossed_interval(labels, np.stack(first), pictures, np.stack(second), metric)
    what = f"over pictures and {many.seeds} seeds"
    return f"{many.estimate:+.4f} [{many.low:+.4f}, {many.high:+.4f}] {what}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("list", type=Path)
    parser.add_argument("--first", type=Path, nargs="+", required=True)
    parser.add_argument("--second", type=Path, nargs="+", default=[])
    arguments = parser.parse_args()
    stills = read_stills(arguments.list)
    test, classes = stills.splits["test"], stills.space.expressions
    names, labels = list(stills.names("test")), np.asarray(test.expression)
    sides = [
        [answers(run, names, classes) for run in side]
        for side in (arguments.first, arguments.second)
        if side
    ]
    for run in (*arguments.first, *arguments.second):
        config = read_json(run / "run.json")["config"]
        start = config["start"]["content"][:19] or "random initialisation"
        epochs, seed = config["train"]["epochs"], config["train"]["seed"]
        share = config["data"]["train_share"]
        print(f"{run}: {start}, seed {seed}, {epochs} passes over {share:g} of the pictures")
    print("\n".join(compared(labels, sides)))


if __name__ == "__main__":
    main()
