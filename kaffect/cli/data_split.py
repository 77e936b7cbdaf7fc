"""`kaffect data split`: divide people among three sets (paper Section II-D)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kaffect.errors import ConfigError, expected_received

# Frames of the paper's expression set: 67,525 / 20,675 / 27,440.
_DEFAULT = (0.6, 0.15, 0.25)


def register(actions: Any) -> None:
    """Add the command to `kaffect data`."""
    split = actions.add_parser("split", help="a subject-independent partition of a data tree")
    split.add_argument("tree", type=Path, help="data tree: videos/, annotations/, subjects.csv")
    split.add_argument(
        "--ratios",
        default=",".join(map(str, _DEFAULT)),
        metavar="T,V[,T]",
        help="wished shares of training, validation and test set (default %(default)s)",
    )
    split.add_argument("--seed", type=int, default=0)
    split.add_argument("--out", type=Path, help="tree to write; without it the partition is shown")
    split.set_defaults(run=split_data)


def split_data(options: argparse.Namespace) -> None:
    """`kaffect data split`."""
    from kaffect.curation.split_tree import split_tree, write_split
    from kaffect.curation.tables import TextTable

    if options.out is not None and options.out.exists():
        raise ConfigError(f"{options.out}: exists already; name a folder that does not")
    split = split_tree(options.tree, _ratios(options.ratios), options.seed)
    report = split.to_dict()
    heads = [f"{name} {ratio:g}" for name, ratio in zip(report["sets"], report["ratios"])]
    rows = [(name, *(f"{v:.3f}" for v in values)) for name, values in report["shares"].items()]
    rows.append(("videos", *map(str, report["videos"])))
    print(TextTable("Shares of the sets", ("share of", *heads), tuple(rows)).text())
    print(f"{report['groups']} groups of videos that share nobody")
    if options.out is not None:
        write_split(split, options.out)
        print(f"data tree: {options.out}")


def _ratios(text: str) -> tuple[float, ...]:
    try:
        ratios = tuple(float(part) for part in text.split(","))
    except ValueError:
        ratios = ()
    if not 2 <= len(ratios) <= 3 or not all(0 < ratio < float("inf") for ratio in ratios):
        raise ConfigError(expected_received("--ratios", "two or three numbers above 0", text))
    return ratios
