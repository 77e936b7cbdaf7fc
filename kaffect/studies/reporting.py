"""The report of a table from its records: terminal, Markdown and HTML beside the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from kaffect.errors import ArtifactError
from kaffect.files import write_text
from kaffect.studies.calibration import calibration_note
from kaffect.studies.experiment import loaded
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
from kaffect.studies.results import read_records, results_file
from kaffect.studies.row import Adapter
from kaffect.studies.stored_sums import StoredSums

Figures = Mapping[int, Mapping[str, float]]


def report(
    plan: Plan,
    adapter: type[Adapter],
    variant: str,
    folder: Path,
    results: Path,
    problems: Sequence[Problem] = (),
) -> None:
    """Print the table beside the publication's; write it as Markdown and HTML into `folder`.

    Args:
        results: JSON lines; problems: rows that have none.
    """
    records, stored = list(read_records(results)), StoredSums(folder)
    summary = summary_of(plan, adapter, variant, records, problems, stored)
    stem = f"table_{plan.table.name.lower()}" + (f"_{variant}" if variant else "")
    stem = stem.replace("-", "_")
    write_text(folder / f"{stem}.md", render_markdown(summary))
    write_text(folder / f"{stem}.html", render_html(summary))
    console = Console()
    console.print(render_terminal(summary, console.width), soft_wrap=True)
    print(f"report: {folder / (stem + '.html')} and .md; runs: {results}")
    pictures = f"pictures: {folder / adapter.PICTURES}; " if adapter.PICTURES else ""
    print(f"{pictures}curves: tensorboard --logdir {folder / 'tensorboard'}")


def report_folder(plan: Plan, folder: Path) -> None:
    """Report the results in `folder` again, in every variant that they have.

    Raises:
        ArtifactError: they cannot be read, or there are none.
    """
    results = results_file(folder, plan.table.name)
    present = {record.get("variant") for record in read_records(results)}
    if not present:
        raise ArtifactError(f"{results}: holds no result")
    variants = tuple(name for name in plan.study.variants if name in present) or plan.variants
    plan = replace(plan, variants=variants, rows=())
    for variant in variants:
        report(plan, loaded(plan.study.adapter), variant, folder, results)


def summary_of(
    plan: Plan,
    adapter: type[Adapter],
    variant: str,
    records: list[dict[str, Any]],
    problems: Sequence[Problem] = (),
    stored: StoredSums = StoredSums(),
) -> Summary:
    """What the report of one variant says."""
    figures = plan.table.figures or published_figures(plan.table.name)
    records = [r for r in records if r.get("variant", "") in ("", variant)]
    printed = {name for row in figures.values() for name in row}
    records, metrics = adapter.report_columns(plan, records, printed)
    notes = [plan.table.legend] if plan.table.legend else []
    notes += adapter.report_notes(records, metrics or ())
    notes += calibration_note(records)
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
        stored=stored,
        against=plan.table.against,
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
