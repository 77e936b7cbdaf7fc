"""Baselines and the report of a table: terminal, Markdown and HTML beside the results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from experiments.definitions import Table
from experiments.pictures import read_images
from experiments.reference import LEGENDS, TABLES
from experiments.reference import rows as reference_rows
from experiments.results import read_records
from experiments.sources import Source
from kaffect.data.prepared.records import FrameIndex, Scoring
from kaffect.evaluation.baselines import constant_baseline, grey_pixels, linear_probe
from kaffect.files import write_text
from kaffect.studies.report import render_html, render_markdown, render_terminal, summarise

PROBE_FRAMES = 20_000


def baseline_records(source: Source) -> Iterator[dict[str, Any]]:
    """What every row must beat, on the same data: a constant, and 12x12 grey pixels."""
    train, scored = source.split("train"), source.split(source.scored_split)
    labels, truth = train.scoring(), scored.scoring()
    classes = len(source.prepared.label_space.expressions)
    constant = constant_baseline(labels, truth, classes=classes)
    yield _record("constant", "constant predictor", constant)
    probe = linear_probe(
        baseline_pixels(train, labels), part_of(labels, PROBE_FRAMES),
        baseline_pixels(scored, truth, None), truth, classes=classes,
    )  # fmt: skip
    yield _record("linear_probe", "linear probe on 12x12 grey pixels", probe)


def _record(row: str, label: str, metrics: dict[str, float]) -> dict[str, Any]:
    return {"row": row, "label": label, "seed": 0, "metrics": metrics, "wall_time": 0.0}


def _chosen(count: int, most: int | None) -> np.ndarray:
    """At most `most` of `count` frames, evenly spread."""
    if most is None or count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).astype(int)


def baseline_pixels(
    index: FrameIndex, scoring: Scoring, most: int | None = PROBE_FRAMES
) -> np.ndarray:
    """12x12 grey pixels of the scored frames, read in blocks so that memory stays bounded."""
    rows = scoring.row[_chosen(len(scoring), most)]
    blocks = np.array_split(rows, max(1, len(rows) // 1024))
    return np.concatenate([grey_pixels(read_images(index, block)) for block in blocks])


def part_of(scoring: Scoring, most: int) -> Scoring:
    """At most `most` of the scored frames, the same ones as `baseline_pixels` reads."""
    chosen = _chosen(len(scoring), most)
    columns = {f.name: getattr(scoring, f.name)[chosen] for f in dataclasses.fields(scoring)}
    return dataclasses.replace(scoring, **columns)


def report(table: Table, folder: Path, results: Path) -> None:
    """Print the table beside the paper's, and write it as Markdown and HTML into `folder`."""
    summary = summarise(
        read_records(results),
        reference_rows(table.name) if table.name in TABLES else [],
        table=table.name,
        title=table.title,
        notes=[LEGENDS[table.name]] if table.name in LEGENDS else [],
    )
    stem = f"table_{table.name.lower()}"
    write_text(folder / f"{stem}.md", render_markdown(summary))
    write_text(folder / f"{stem}.html", render_html(summary))
    console = Console()
    console.print(render_terminal(summary, console.width), soft_wrap=True)
    print(f"report: {folder / (stem + '.html')} and .md; runs: {results}")
    print(f"curves: tensorboard --logdir {folder / 'tensorboard'}")
