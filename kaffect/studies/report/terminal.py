"""The table "paper | ours" (Section V) for a terminal of any width.

A table too wide for the terminal is cut into blocks of metrics, so that the
paper's figure and ours always stand in one line. Each source is a table of rich
under its heading, and they stand side by side. Intervals have blocks of their own below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from kaffect.studies.report.cells import Cell, Column, Interval, Line
from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.summary import Summary
from kaffect.terminal import text_of, width_of

NOT_RUN = "not run"
NOT_TRAINED = "—"
_LABEL_ROOM = range(24, 11, -1)  # cells, tried in turn where nothing else fits


def printed(value: float | None) -> str:
    """A figure of the paper."""
    return NOT_TRAINED if value is None else f"{value:.3f}"


def measured(cell: Cell, metric: str) -> str:
    """A figure of ours: mean, deviation, interval, number of seeds, best row, star.

    >>> measured(Cell(), "accuracy")
    'not run'
    """
    if not cell.n:
        return NOT_RUN
    value = cell.metrics.get(metric)
    if value is None:
        return NOT_TRAINED
    spread = "" if value.deviation is None else f" ± {value.deviation:.3f}"
    ends = value.interval
    interval = "" if ends is None else f" [{ends.low:.3f}, {ends.high:.3f}]"
    mark = f", {cell.mark}" if cell.mark else ""
    return f"{value.mean:.3f}{spread}{interval} (n={value.n}{mark}){' *' * value.star}"


def _compact(cell: Cell, metric: str) -> str:
    """Mean and deviation, and room for a star."""
    if not cell.n:
        return NOT_RUN
    value = cell.metrics.get(metric)
    if value is None:
        return NOT_TRAINED
    spread = "" if value.deviation is None else "±" + _short(value.deviation)
    return f"{value.mean:.3f}{spread}" + "*" * value.star


def _short(value: float) -> str:
    """Three digits without a zero before the point."""
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


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


def _names(layout: _Layout, lines: Iterable[tuple[Line, bool]]) -> Table:
    table = _table("", "", [""])
    table.columns[0].justify = "left"
    if layout.label_room is not None:
        table.columns[0].max_width = len("12 ") + layout.label_room
    for line, last in lines:
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
    cells = [line.cells[place] for line, _ in _lines(summary)]
    # Beside a star the other figures of its column keep their place.
    room = [" " * any(m in c.metrics and c.metrics[m].star for c in cells) for m in metrics]
    for line, last in _lines(summary):
        cell = line.cells[place]
        found = zip([_compact(cell, metric) for metric in metrics], room)
        figures = [text if text.endswith("*") else text + space for text, space in found]
        count = f"n={cell.n} {cell.mark}".rstrip() if cell.n else ""
        table.add_row(*map(Text, [*figures, count]), end_section=last)
    return table


def _lines(summary: Summary) -> Iterator[tuple[Line, bool]]:
    """Rows and baselines, and whether a rule stands below."""
    for place, line in enumerate([*summary.lines, *summary.baselines], start=1):
        yield line, place == len(summary.lines)


def _block(summary: Summary, layout: _Layout, metrics: Sequence[str]) -> Table:
    """Names, the paper and our columns side by side, for some of the metrics."""
    tables = [_names(layout, _lines(summary))]
    if summary.published:
        tables.append(_paper(summary, metrics))
    for place, column in enumerate(summary.columns):
        if column.runs or layout.empty_columns:
            tables.append(_ours(summary, place, column, metrics))
    return _side_by_side(tables)


def _side_by_side(tables: Sequence[Table]) -> Table:
    block = Table.grid(padding=(0, 2), pad_edge=False)
    block.add_row(*tables)
    return block


def _interval_block(summary: Summary, layout: _Layout, metrics: Sequence[str]) -> Table:
    """Names and the intervals of our columns, for some of the metrics."""
    known = {
        place: column
        for place, column in enumerate(summary.columns)
        if any(_has_interval(line, place, metrics) for line in summary.lines)
    }
    lines = [s for s in summary.lines if any(_has_interval(s, p, metrics) for p in known)]
    tables = [_names(layout, ((line, False) for line in lines))]
    for place, column in known.items():
        style = "magenta" if column.synthetic else "green"
        titles = [METRICS[metric][1] for metric in metrics]
        table = _table(f"95 % intervals, {column.header}", style, titles)
        for line in lines:
            found = [line.cells[place].metrics.get(metric) for metric in metrics]
            texts = ["" if v is None or v.interval is None else _ends(v.interval) for v in found]
            table.add_row(*map(Text, texts))
        tables.append(table)
    return _side_by_side(tables)


def _has_interval(line: Line, place: int, metrics: Iterable[str]) -> bool:
    found = (line.cells[place].metrics.get(metric) for metric in metrics)
    return any(value is not None and value.interval is not None for value in found)


def _ends(interval: Interval) -> str:
    return f"[{_short(interval.low)}, {_short(interval.high)}]"


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


def _fitted(
    summary: Summary,
    metrics: Sequence[str],
    block: Callable[[Summary, _Layout, Sequence[str]], Table],
    width: int,
) -> tuple[_Layout, list[Table]]:
    """The first layout that fits; where none does, the narrowest."""
    for layout in _layouts(metrics):
        blocks = [block(summary, layout, some) for some in layout.blocks]
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
    layout, blocks = _fitted(summary, summary.metrics, _block, width)
    columns = range(len(summary.columns))
    known = [
        metric
        for metric in summary.metrics
        if any(_has_interval(line, place, [metric]) for line in summary.lines for place in columns)
    ]
    if known:
        blocks += _fitted(summary, known, _interval_block, width)[1]
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
