"""The report of a table from its records: terminal, Markdown and HTML beside the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from kaffect.files import write_text
from kaffect.studies.plan import Plan
from kaffect.studies.problems import Problem, explain
from kaffect.studies.reference import published_figures
from kaffect.studies.report import (
    ReferenceRow,
    Summary,
    Wording,
    render_html,
    render_markdown,
    render_terminal,
    summarise,
)
from kaffect.studies.results import read_records
from kaffect.studies.row import Adapter

Figures = Mapping[int, Mapping[str, float]]


def report(
    plan: Plan,
    adapter: Adapter,
    variant: str,
    folder: Path,
    results: Path,
    problems: Sequence[Problem] = (),
) -> None:
    """Print the table beside the publication's; write it as Markdown and HTML into `folder`."""
    summary = summary_of(plan, adapter, variant, list(read_records(results)), problems)
    stem = f"table_{plan.table.name.lower()}" + (f"_{variant}" if variant else "")
    stem = stem.replace("-", "_")
    write_text(folder / f"{stem}.md", render_markdown(summary))
    write_text(folder / f"{stem}.html", render_html(summary))
    console = Console()
    console.print(render_terminal(summary, console.width), soft_wrap=True)
    print(f"report: {folder / (stem + '.html')} and .md; runs: {results}")
    pictures = f"pictures: {folder / adapter.PICTURES}; " if adapter.PICTURES else ""
    print(f"{pictures}curves: tensorboard --logdir {folder / 'tensorboard'}")


def summary_of(
    plan: Plan,
    adapter: Adapter,
    variant: str,
    records: list[dict[str, Any]],
    problems: Sequence[Problem] = (),
) -> Summary:
    """What the report of one variant says."""
    figures = plan.table.figures or published_figures(plan.table.name)
    records = [r for r in records if r.get("variant", "") in ("", variant)]
    printed = {name for row in figures.values() for name in row}
    records, metrics = adapter.report_columns(records, printed)
    notes = [plan.table.legend] if plan.table.legend else []
    notes += adapter.report_notes(records, metrics or ())
    study, title = plan.study, plan.table.title
    if variant:
        config: Any = study.config().changed(study.variants[variant])
        title += f"; {config.model.title}"
    return summarise(
        records,
        table_rows(plan, figures, {record["row"] for record in records}, problems),
        table=plan.table.name,
        title=title,
        paper_data=study.paper_data,
        notes=[*notes, *explain(problems)],
        metrics=metrics,
        wording=Wording(study.publication, study.runs, study.criterion),
    )


def table_rows(
    plan: Plan, figures: Figures, present: set[Any], problems: Sequence[Problem] = ()
) -> list[ReferenceRow]:
    """The table's rows with the publication's figures; one asked for that did not run says so.

    Args:
        present: numbers of the rows that have a result.
    """
    kinds = {problem.row: problem.kind for problem in problems}
    asked, rows = {number for number, _ in plan.rows}, []
    for number, row in enumerate(plan.table.rows, start=1):
        label, short = row.label, row.short
        if number in asked - present and plan.lacks_weights(row):
            label, short = f"{label}: not run: no weights", f"{short}: no weights"
        elif number in kinds and number not in present:
            label, short = f"{label}: {kinds[number]}", f"{short}: {kinds[number]}"
        found = figures.get(number, {})
        rows.append(ReferenceRow(number, label, short, found, dict(row.changes)))
    return rows
