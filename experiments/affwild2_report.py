"""Baselines and report of Tables A1 to A5: terminal, Markdown and HTML beside the results."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.affwild2 import FramePlan
from experiments.affwild2_columns import legend, shown_metrics, with_columns, with_criteria
from experiments.affwild2_problems import Problem, explain
from experiments.reference import FOLDER
from experiments.reporting import PROBE_FRAMES, baseline_pixels, part_of
from experiments.results import read_records
from experiments.sources import Source
from kaffect.evaluation.baselines import constant_baseline, linear_probe
from kaffect.files import write_text
from kaffect.studies.report import render_html, render_markdown, render_terminal, summarise
from kaffect.studies.report.notes import Wording
from kaffect.studies.report.summary import ReferenceRow

WORDING = Wording(
    publication="study",
    runs="The study reports single runs on Aff-Wild2's validation set, of an epoch not named.",
    criterion="P_VA + P_EXPR + P_AU",
)


def study_figures(table: str) -> dict[int, dict[str, float]]:
    """What the study prints: row -> metric -> figure."""
    found: dict[int, dict[str, float]] = {}
    with open(FOLDER / "affwild2.csv", encoding="utf-8", newline="") as handle:
        for record in csv.DictReader(handle):
            if record["table"] == table:
                found.setdefault(int(record["row"]), {})[record["metric"]] = float(record["value"])
    return found


def baselines(source: Source) -> Iterator[dict[str, Any]]:
    """What every row must beat, on the same data, under the names of the study's criteria."""
    space = source.prepared.label_space
    train, scored = source.split("train"), source.split(source.scored_split)
    labels, truth = train.scoring(), scored.scoring()
    classes = len(space.expressions)
    names = {"none": ("constant", "constant predictor"),
             "all": ("constant_all_units", "constant, every AU")}  # fmt: skip
    for units, (row, label) in names.items():
        found = constant_baseline(labels, truth, units=units, classes=classes)
        yield _record(row, label, found)
    found = linear_probe(
        baseline_pixels(train, labels), part_of(labels, PROBE_FRAMES),
        baseline_pixels(scored, truth, None), truth, classes=classes,
    )  # fmt: skip
    yield _record("linear_probe", "linear probe on 12x12 grey pixels", found)


def _record(row: str, label: str, metrics: dict[str, float]) -> dict[str, Any]:
    named = with_criteria(metrics)
    return {"row": row, "label": label, "seed": 0, "metrics": named, "wall_time": 0.0}


def table_rows(
    plan: FramePlan, run: set[Any], problems: Sequence[Problem] = ()
) -> list[ReferenceRow]:
    """The table's rows with the study's figures; one that was asked for and did not run says so.

    Args:
        run: numbers of the rows that have a result.
    """
    figures = study_figures(plan.table.name)
    kinds = {problem.row: problem.kind for problem in problems}
    asked, rows = {number for number, _ in plan.rows}, []
    for number, row in enumerate(plan.table.rows, start=1):
        label, short = row.label, row.short
        if number in asked - run and plan.lacks_weights(row):
            label, short = f"{label}: not run: no weights", f"{short}: no weights"
        elif number in kinds and number not in run:
            label, short = f"{label}: {kinds[number]}", f"{short}: {kinds[number]}"
        rows.append(ReferenceRow(number, label, short, figures.get(number, {}), dict(row.changes)))
    return rows


def report(plan: FramePlan, folder: Path, results: Path, problems: Sequence[Problem] = ()) -> None:
    """Print the table beside the study's, and write it as Markdown and HTML into `folder`."""
    runs = [with_columns(run) for run in read_records(results)]
    printed = {name for row in study_figures(plan.table.name).values() for name in row}
    measured = {name for run in runs for name in run["metrics"]}
    metrics = shown_metrics(plan.table.metrics, printed | measured, plan.criteria)
    summary = summarise(
        runs,
        table_rows(plan, {run["row"] for run in runs}, problems),
        table=plan.table.name,
        title=plan.table.title,
        paper_data="Aff-Wild2",
        notes=[*legend(metrics), *explain(problems)],
        metrics=metrics,
        wording=WORDING,
    )
    stem = f"table_{plan.table.name.lower()}"
    write_text(folder / f"{stem}.md", render_markdown(summary))
    write_text(folder / f"{stem}.html", render_html(summary))
    console = Console()
    console.print(render_terminal(summary, console.width), soft_wrap=True)
    print(f"report: {folder / (stem + '.html')} and .md; runs: {results}")
    print(f"curves: {folder / 'pictures'}, or tensorboard --logdir {folder / 'tensorboard'}")
