"""One small dot plot per metric, the paper beside ours (Section V), as inline SVG.

Colours are those of Okabe and Ito, which colour-blind readers tell apart; shape
says the same again.
"""

from __future__ import annotations

from html import escape

from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.summary import Cell, Line, Summary

_LEFT, _RIGHT, _TOP, _STEP = 34, 12, 8, 18
_WIDTH = 330


def _x(value: float, low: float, high: float) -> float:
    share = (min(max(value, low), high) - low) / (high - low)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def marker(kind: str, x: float, y: float) -> str:
    """A source's sign: `paper` a ring, `paper-data` a square, `real` a triangle, else a diamond."""
    if kind == "paper":
        return f'<circle class="paper" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
    if kind == "paper-data":
        return f'<rect class="paper-data" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>'
    corners = [(0, -5), (5, 4), (-5, 4)] if kind == "real" else [(0, -5), (5, 0), (0, 5), (-5, 0)]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon class="{kind}" points="{points}"/>'


def kind_of(summary: Summary, place: int) -> str:
    """Which marker a column of ours has."""
    column = summary.columns[place]
    if column.synthetic:
        return "synthetic"
    return "paper-data" if column.paper_data else "real"


def _ours(kind: str, cell: Cell, metric: str, y: float, low: float, high: float) -> str:
    value = cell.metrics.get(metric)
    if value is None:
        return ""
    x = _x(value.mean, low, high)
    whisker = ""
    if value.deviation is not None:
        ends = [_x(value.mean + sign * value.deviation, low, high) for sign in (-1, 1)]
        whisker = (
            f'<line class="{kind}" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    return whisker + marker(kind, x, y)


def _values(summary: Summary, metric: str) -> list[float]:
    lines = [*summary.lines, *summary.baselines]
    found = [line.paper[metric] for line in lines if metric in line.paper]
    for cell in (cell for line in lines for cell in line.cells):
        if metric in cell.metrics:
            value = cell.metrics[metric]
            found += [value.mean - (value.deviation or 0), value.mean + (value.deviation or 0)]
    return found


def _row(summary: Summary, line: Line, metric: str, y: float, low: float, high: float) -> str:
    parts = [f'<text class="label" x="{_LEFT - 8}" y="{y + 4:.1f}">{line.row}</text>']
    parts.append(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    )
    if metric in line.paper:
        parts.append(marker("paper", _x(line.paper[metric], low, high), y))
    for place, cell in enumerate(line.cells):
        parts.append(_ours(kind_of(summary, place), cell, metric, y, low, high))
    return f"<g><title>{escape(line.label)}</title>{''.join(parts)}</g>"


def plot(summary: Summary, metric: str) -> str:
    """The plot of one metric: a line for each row of the table, dashes where baselines lie."""
    values = _values(summary, metric)
    low, high = min([0.0, *values]), max([0.8, *values])
    rows = [line for line in summary.lines if line.row is not None]
    bottom = _TOP + _STEP * len(rows)
    name = escape(METRICS[metric][0])
    parts = [
        f'<svg role="img" aria-label="{name}: paper and ours" '
        f'viewBox="0 0 {_WIDTH} {bottom + 22}" width="{_WIDTH}">'
    ]
    ticks = [tick / 5 for tick in range(-5, 6) if low <= tick / 5 <= high]
    for tick in ticks:
        x = _x(tick, low, high)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 15}">{tick:.1f}</text>')
    for line in summary.baselines:
        for place, cell in enumerate(line.cells):
            if metric in cell.metrics:
                x = _x(cell.metrics[metric].mean, low, high)
                parts.append(
                    f'<line class="baseline {kind_of(summary, place)}" x1="{x:.1f}" '
                    f'x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"><title>{escape(line.label)}</title>'
                    "</line>"
                )
    for number, line in enumerate(rows):
        parts.append(_row(summary, line, metric, _TOP + _STEP * (number + 0.5), low, high))
    return "".join(parts) + "</svg>"
