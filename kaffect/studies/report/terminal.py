"""The table "paper | ours" (Section V) for a terminal of any width.

A table too wide for the terminal is cut into blocks of metrics, so that the
paper's figure and ours always stand in one line. Each source is a table of rich
under its heading, and they stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.summary import Cell, Column, Line, Summary
from kaffect.terminal import text_of, width_of

NOT_RUN = "not run"
NOT_TRAINED = "—"
_LABEL_ROOM = range(24, 11, -1)  # cells, tried in turn where nothing else fits


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
class _Layout:
    """How a table is cut to fit: blocks of metrics, names of the rows, empty columns or not."""

    blocks: list[list[str]]
    short_names: bool
    empty_columns: bool
    label_room: int | None = None


def _table(header: str, style: str, titles: Sequence[str]) -> Table:
    """An empty table of one source; of `header` "ours (data)" each part has a line of its own."""
    who, _, where = header.partition(" (")
    heading = f"{who}\n({where}" if where else f"{who}\n"
    table = Table(
        title=Text(heading, style=f"bold {style}"),
        title_justify="left",
        header_style=f"bold {style}",
        border_style="dim",
        box=box.HORIZONTALS,
        show_edge=False,
        padding=0,
        min_width=max(map(cell_len, heading.split("\n"))),
    )
    for title in titles:
        table.add_column(Text(title), justify="right", style=style, no_wrap=True)
    return table


def _names(summary: Summary, layout: _Layout) -> Table:
    table = _table("", "", [""])
    table.columns[0].justify = "left"
    if layout.label_room is not None:
        table.columns[0].max_width = len("12 ") + layout.label_room
    for line, last in _lines(summary):
        number = "" if line.row is None else str(line.row)
        name = line.short if layout.short_names else line.label
        table.add_row(Text(f"{number:>2} {name}"), end_section=last)
    return table


def _paper(summary: Summary, metrics: Sequence[str]) -> Table:
    table = _table(summary.paper_header, "cyan", [METRICS[metric][1] for metric in metrics])
    for line, last in _lines(summary):
        figures = [printed(line.paper.get(metric)) for metric in metrics]
        table.add_row(*map(Text, figures), end_section=last)
    return table


def _ours(summary: Summary, place: int, column: Column, metrics: Sequence[str]) -> Table:
    if not column.runs:
        table = _table(column.header, "dim", [""])
        for _, last in _lines(summary):
            table.add_row(NOT_RUN, end_section=last)
        return table
    style = "magenta" if column.synthetic else "green"
    table = _table(column.header, style, [*(METRICS[metric][1] for metric in metrics), ""])
    table.columns[-1].justify = "left"
    for line, last in _lines(summary):
        cell = line.cells[place]
        figures = [measured(cell, metric, compact=True) for metric in metrics]
        count = f"n={cell.n}" + "*" * cell.best if cell.n else ""
        table.add_row(*map(Text, [*figures, count]), end_section=last)
    return table


def _lines(summary: Summary) -> Iterator[tuple[Line, bool]]:
    """Rows and baselines, and whether a rule stands below."""
    for place, line in enumerate([*summary.lines, *summary.baselines], start=1):
        yield line, place == len(summary.lines)


def _block(summary: Summary, layout: _Layout, metrics: Sequence[str]) -> Table:
    """Names, the paper and our columns side by side, for some of the metrics."""
    tables = [_names(summary, layout), _paper(summary, metrics)]
    for place, column in enumerate(summary.columns):
        if column.runs or layout.empty_columns:
            tables.append(_ours(summary, place, column, metrics))
    block = Table.grid(padding=(0, 2), pad_edge=False)
    block.add_row(*tables)
    return block


def _cuts(metrics: Sequence[str]) -> list[list[list[str]]]:
    """Ways to cut the metrics into blocks: not at all, by task, in pairs, one by one."""
    tasks = list(dict.fromkeys(METRICS[metric][2] for metric in metrics))
    by_task = [[m for m in metrics if METRICS[m][2] == task] for task in tasks]
    pairs = [block[i : i + 2] for block in by_task for i in range(0, len(block), 2)]
    return [[list(metrics)], by_task, pairs, [[metric] for metric in metrics]]


def _layouts(metrics: Sequence[str]) -> Iterator[_Layout]:
    """From the least cut to the narrowest."""
    for blocks in _cuts(metrics):
        for short, empty in ((False, True), (True, True), (True, False)):
            yield _Layout(blocks, short, empty)
    for room in _LABEL_ROOM:
        yield _Layout([[metric] for metric in metrics], True, False, room)


def _fitted(summary: Summary, width: int) -> tuple[_Layout, list[Table]]:
    """The first layout that fits; where none does, the narrowest."""
    for layout in _layouts(summary.metrics):
        blocks = [_block(summary, layout, metrics) for metrics in layout.blocks]
        if all(width_of(block) <= width for block in blocks):
            break
    return layout, blocks


def _notes(notes: Iterable[str]) -> Table:
    table = Table.grid(padding=(0, 1))
    for note in notes:
        table.add_row("-", Text(note), style="magenta" if note.startswith("SYNTHETIC") else "dim")
    return table


def render_terminal(summary: Summary, width: int = 100) -> Text:
    """The comparison for a terminal `width` cells wide; print it with a rich Console, soft-wrapped.

    `.plain` of the result is the same without colours. In less than about 50 cells some lines
    become longer than the terminal.
    """
    layout, blocks = _fitted(summary, width)
    parts = [text_of(Text(summary.heading, style="bold"), width)]
    for column in summary.columns:
        if not (column.runs or layout.empty_columns):
            parts.append(text_of(Text(f"{column.header}: {NOT_RUN}", style="dim"), width))
    for block in blocks:
        parts += [Text(), text_of(block)]
    parts += [Text(), text_of(_notes(summary.notes), width)]
    parts.append(text_of(Text("; ".join(summary.provenance), style="dim"), width))
    text = Text(no_wrap=True, overflow="ignore")
    for part in parts:
        text.append_text(part).append("\n")
    return text
