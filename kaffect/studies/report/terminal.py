"""The table "paper | ours" (Section V) for a terminal of any width.

A table too wide for the terminal is cut into blocks of metrics, so that the
paper's figure and ours always stand in one line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.summary import Cell, Column, Summary

NOT_RUN = "not run"
NOT_TRAINED = "—"
_GAP = "  "
_SHORTEST_LABEL = 12


def printed(value: float | None) -> str:
    """A figure of the paper."""
    return NOT_TRAINED if value is None else f"{value:.3f}"


def measured(cell: Cell, metric: str, *, compact: bool = False) -> str:
    """A figure of ours with its deviation; `compact` leaves n to a column of its own.

    >>> measured(Cell(), "accuracy")
    'not run'
    """
    if not cell.n:
        return NOT_RUN
    value = cell.metrics.get(metric)
    if value is None:
        return NOT_TRAINED
    if compact:
        spread = "" if value.deviation is None else "±" + f"{value.deviation:.3f}".lstrip("0")
        return f"{value.mean:.3f}{spread}"
    spread = "" if value.deviation is None else f" ± {value.deviation:.3f}"
    return f"{value.mean:.3f}{spread} (n={value.n})"


@dataclass(frozen=True)
class _Group:
    """Columns under one heading of two lines; every entry is text for one line of the table."""

    heading: tuple[str, str]
    titles: tuple[str, ...]
    entries: tuple[tuple[str, ...], ...]  # one tuple per line, as long as `titles`
    style: str

    @property
    def widths(self) -> list[int]:
        columns = zip(self.titles, *self.entries, strict=True)
        widths = [max(cell_len(text) for text in column) for column in columns]
        widths[0] += max(0, max(map(cell_len, self.heading)) - sum(widths) - len(widths) + 1)
        return widths

    @property
    def width(self) -> int:
        return sum(self.widths) + len(self.widths) - 1


@dataclass(frozen=True)
class _Layout:
    """How a table is cut to fit: blocks of metrics, names of the rows, empty columns or not."""

    blocks: list[list[str]]
    names: list[str]
    empty_columns: bool


def _heading(header: str) -> tuple[str, str]:
    who, _, where = header.partition(" (")
    return who, f"({where}" if where else ""


def _ours(column: Column, cells: Sequence[Cell], metrics: Sequence[str]) -> _Group:
    if not column.runs:
        return _Group(_heading(column.header), ("",), ((NOT_RUN,),) * len(cells), "dim")
    entries = []
    for cell in cells:
        found = [measured(cell, metric, compact=True) for metric in metrics]
        count = f"n={cell.n}" + ("*" if cell.best else " ") if cell.n else ""
        entries.append((*found, count))
    titles = (*[METRICS[metric][1] for metric in metrics], "")
    style = "magenta" if column.synthetic else "green"
    return _Group(_heading(column.header), titles, tuple(entries), style)


def _groups(summary: Summary, metrics: Sequence[str], empty_columns: bool) -> list[_Group]:
    lines = [*summary.lines, *summary.baselines]
    paper = _Group(
        _heading(summary.paper_header),
        tuple(METRICS[metric][1] for metric in metrics),
        tuple(tuple(printed(line.paper.get(metric)) for metric in metrics) for line in lines),
        "cyan",
    )
    ours = [
        _ours(column, [line.cells[place] for line in lines], metrics)
        for place, column in enumerate(summary.columns)
        if column.runs or empty_columns
    ]
    return [paper, *ours]


def _names(summary: Summary, short: bool, room: int | None = None) -> list[str]:
    names = []
    for line in [*summary.lines, *summary.baselines]:
        number = "" if line.row is None else str(line.row)
        label = line.short if short else line.label
        if room is not None and cell_len(label) > room:
            label = set_cell_size(label, room - 1).rstrip() + "…"
        names.append(f"{number:>2} {label}")
    return names


def _width(names: Sequence[str], groups: Sequence[_Group]) -> int:
    return max(map(cell_len, names), default=0) + sum(len(_GAP) + group.width for group in groups)


def _cuts(metrics: Sequence[str]) -> list[list[list[str]]]:
    """Ways to cut the metrics into blocks: not at all, by task, in pairs, one by one."""
    tasks = list(dict.fromkeys(METRICS[metric][2] for metric in metrics))
    by_task = [[m for m in metrics if METRICS[m][2] == task] for task in tasks]
    pairs = [block[i : i + 2] for block in by_task for i in range(0, len(block), 2)]
    return [[list(metrics)], by_task, pairs, [[metric] for metric in metrics]]


def _layout(summary: Summary, width: int) -> _Layout:
    """The least cut layout that fits; where none does, the narrowest."""
    candidates = [
        _Layout(blocks, _names(summary, short), empty)
        for blocks in _cuts(summary.metrics)
        for short, empty in ((False, True), (True, True), (True, False))
    ]
    candidates += [
        _Layout(_cuts(summary.metrics)[-1], _names(summary, True, room), False)
        for room in range(24, _SHORTEST_LABEL - 1, -1)
    ]
    for layout in candidates:
        groups = [_groups(summary, block, layout.empty_columns) for block in layout.blocks]
        if all(_width(layout.names, block) <= width for block in groups):
            return layout
    return candidates[-1]


def _table(summary: Summary, layout: _Layout, metrics: Sequence[str]) -> Text:
    groups = _groups(summary, metrics, layout.empty_columns)
    label = max(map(cell_len, layout.names), default=0)
    rule = ("─" * _width(layout.names, groups), "dim")

    def row(name: str, cells: Sequence[str], bold: bool = False) -> Text:
        line = Text(set_cell_size(name, label), style="bold" if bold else "")
        for group, cell in zip(groups, cells, strict=True):
            line.append(_GAP)
            line.append(cell, style=f"bold {group.style}" if bold else group.style)
        line.rstrip()
        return line

    def aligned(group: _Group, entries: Sequence[str]) -> str:
        pairs = zip(entries, group.widths, strict=True)
        return " ".join(" " * (width - cell_len(entry)) + entry for entry, width in pairs)

    lines = [
        row("", [set_cell_size(group.heading[i], group.width) for group in groups], bold=True)
        for i in (0, 1)
    ]
    lines.append(row("", [aligned(group, group.titles) for group in groups], bold=True))
    for place, name in enumerate(layout.names):
        if place in (0, len(summary.lines)):
            lines.append(Text(*rule))
        lines.append(row(name, [aligned(group, group.entries[place]) for group in groups]))
    return Text("\n").join(lines)


def render_terminal(summary: Summary, width: int = 100) -> Text:
    """The comparison for a terminal `width` cells wide; print it with a rich Console, soft-wrapped.

    `.plain` of the result is the same without colours. In less than about 50 cells some lines
    become longer than the terminal.
    """
    layout = _layout(summary, width)
    text = Text(no_wrap=True, overflow="ignore")

    def paragraph(content: str, style: str, bullet: str = "") -> None:
        indent = " " * len(bullet)
        for line in textwrap.wrap(bullet + content, width, subsequent_indent=indent):
            text.append(line + "\n", style=style)

    paragraph(summary.heading, "bold")
    for column in summary.columns:
        if not (column.runs or layout.empty_columns):
            paragraph(f"{column.header}: {NOT_RUN}", "dim")
    for block in layout.blocks:
        text.append("\n")
        text.append_text(_table(summary, layout, block))
        text.append("\n")
    text.append("\n")
    for note in summary.notes:
        paragraph(note, "magenta" if note.startswith("SYNTHETIC") else "dim", "- ")
    paragraph("; ".join(summary.provenance), "dim")
    return text
