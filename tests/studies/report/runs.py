"""Records of runs, and their report beside three rows of a paper."""

from __future__ import annotations

import re

from kaffect.studies.report import (
    ReferenceRow,
    render_markdown,
    summarise,
)

BOTH = ("ccc_valence", "ccc_arousal", "accuracy", "f1_weighted", "f1_macro")


REFERENCE = [
    ReferenceRow(1, "joint, learning rate 1e-4", "joint 1e-4", dict.fromkeys(BOTH, 0.411)),
    ReferenceRow(2, "joint, learning rate 1e-3", "joint 1e-3", dict.fromkeys(BOTH, 0.522)),
    ReferenceRow(3, "only VA", "only VA", {"ccc_valence": 0.633, "ccc_arousal": 0.633}),
]


def run(row=1, value=0.3, **changes):
    """A record of a synthetic run whose every metric is `value`."""
    names = BOTH[:2] if row == 3 else BOTH
    record = {
        "table": "XI",
        "row": row,
        "seed": 0,
        "metrics": dict.fromkeys(names, value),
        "validation": {"score": 2 * value},
        "data_kind": "synthetic",
        "data_name": "synthetic Aff-Wild",
        "profile": "demo",
    }
    return {**record, **changes}


def summary(*runs, **options):
    return summarise(runs, REFERENCE, table="XI", title="Losses", **options)


def cell(result, row: int, column: int):
    return next(line for line in result.lines if line.row == row).cells[column]


def markdown_rows(result) -> list[dict[str, str]]:
    lines = [line for line in render_markdown(result).splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(table[0], row, strict=True)) for row in table[2:]]
