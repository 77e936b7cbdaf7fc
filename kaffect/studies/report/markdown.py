"""The table "paper | ours" (Section V) as Markdown."""

from __future__ import annotations

from kaffect.studies.report.differences import differences_of
from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.summary import Summary
from kaffect.studies.report.terminal import NOT_RUN, measured, printed


def escape(text: str) -> str:
    """Text that Markdown, and the HTML inside it, show as it is."""
    for character in "\\`*_[]|<>":
        text = text.replace(character, f"\\{character}" if character not in "<>" else character)
    return " ".join(text.replace("<", "&lt;").replace(">", "&gt;").split())


def render_markdown(summary: Summary) -> str:
    """The comparison as a Markdown section with one table, notes above it, differences and
    origin below it."""
    lines = [f"## {escape(summary.heading)}", ""]
    lines += [f"- {escape(note)}" for note in summary.notes]
    names = [METRICS[metric][0] for metric in summary.metrics]
    printed_metrics = summary.metrics if summary.published else ()
    heads = ["#", "row"]
    heads += [f"{METRICS[metric][0]}, {summary.paper_header}" for metric in printed_metrics]
    for column in summary.columns:
        heads += [f"{name}, {column.header}" for name in names] if column.runs else [column.header]
    aligns = [":--" if head == "row" else "--:" for head in heads]
    lines += ["", f"| {' | '.join(map(escape, heads))} |", f"| {' | '.join(aligns)} |"]
    for line in [*summary.lines, *summary.baselines]:
        row = ["" if line.row is None else str(line.row), escape(line.label)]
        row += [printed(line.paper.get(metric)) for metric in printed_metrics]
        for column, cell in zip(summary.columns, line.cells, strict=True):
            if not column.runs:
                row.append(NOT_RUN)
                continue
            row += [measured(cell, metric).replace("*", "\\*") for metric in summary.metrics]
        lines.append(f"| {' | '.join(row)} |")
    for part in differences_of(summary):
        lines += ["", f"### {escape(part.heading)}", ""]
        lines.append(f"| # | row | {' | '.join(escape(name) for name in part.names)} |")
        lines.append(f"| --: | :-- |{' --: |' * len(part.names)}")
        for own in part.lines:
            figures = " | ".join(own.figures).replace("*", "\\*")
            lines.append(f"| {own.row} | {escape(own.label)} | {figures} |")
    lines += ["", escape("; ".join(summary.provenance)) + "."]
    return "\n".join(lines) + "\n"
