"""The table "paper | ours" (Section V) as one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape

from kaffect.studies.report.metrics import METRICS, NOT_PLOTTED
from kaffect.studies.report.plot import kind_of, marker, plot
from kaffect.studies.report.summary import Cell, Line, Summary
from kaffect.studies.report.terminal import NOT_RUN, NOT_TRAINED, printed

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1f23; --quiet: #5b6470; --paper-ground: #ffffff;
  --band: #f4f6f8; --rule: #d5dae0; --paper: #0072b2; --paper-data: #007a5a; --real: #8a5a00;
  --synthetic: #b84a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --quiet: #9aa4b0;
  --paper-ground: #15181c; --band: #1d2126; --rule: #353b43; --paper: #56b4e9;
  --paper-data: #2fc79b; --real: #e6b04a; --synthetic: #f08a4b; } }
body { margin: 0 auto; max-width: 84rem; padding: 1.5rem; background: var(--paper-ground);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.badge { display: inline-block; vertical-align: middle; margin-left: .5rem; padding: 0 .6rem;
  border: 1.5px solid var(--synthetic); border-radius: 1rem; color: var(--synthetic);
  font-size: .85rem; font-weight: 600; }
ul { padding-left: 1.2rem; margin: .5rem 0 1.25rem; color: var(--quiet); }
li.warning { color: var(--synthetic); font-weight: 600; }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: .85rem; white-space: nowrap; }
th, td { padding: .3rem .45rem; text-align: right; }
thead th { background: var(--band); font-weight: 600; }
thead tr.groups th { text-align: left; border-left: 1px solid var(--rule); }
thead tr:last-child th { border-bottom: 2px solid var(--rule); white-space: normal;
  vertical-align: bottom; line-height: 1.2; }
th.name { position: sticky; left: 0; background: var(--paper-ground); text-align: left;
  font-weight: 400; }
thead th.name { background: var(--band); }
td.first, thead th.first { border-left: 1px solid var(--rule); }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
tbody.baselines { border-top: 3px double var(--rule); color: var(--quiet); }
th.paper { color: var(--paper); } th.paper-data { color: var(--paper-data); }
th.real { color: var(--real); } th.synthetic { color: var(--synthetic); }
td .sd { display: block; font-size: .8em; line-height: 1.1; font-weight: 400; }
.empty, .sd { color: var(--quiet); } .best { font-weight: 700; }
.number { color: var(--quiet); display: inline-block; min-width: 1.6em; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; font-size: .9rem; }
svg { max-width: 100%; height: auto; }
svg .grid { stroke: var(--rule); stroke-width: 1; }
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif; text-anchor: middle; }
svg text.label { text-anchor: end; }
svg circle.paper { fill: none; stroke: var(--paper); stroke-width: 2; }
svg .paper-data { fill: var(--paper-data); stroke: var(--paper-data); stroke-width: 2; }
svg .real { fill: var(--real); stroke: var(--real); stroke-width: 2; }
svg .synthetic { fill: var(--synthetic); stroke: var(--synthetic); stroke-width: 2; }
svg line.legend { stroke: var(--quiet); }
svg line.baseline { stroke-width: 1.5; stroke-dasharray: 3 3; opacity: .7; }
.legend span { margin-right: 1.25rem; white-space: nowrap; font-size: .9rem; }
.legend svg { vertical-align: middle; margin-right: .3rem; }
footer { margin-top: 2rem; color: var(--quiet); font-size: .85rem; overflow-wrap: anywhere; }
"""


def _ours(cell: Cell, metric: str) -> str:
    style = ["best"] * cell.best
    value = cell.metrics.get(metric)
    if not cell.n or value is None:
        text, style = (NOT_TRAINED if cell.n else NOT_RUN), style + ["empty"]
    else:
        spread = (
            "" if value.deviation is None else f'<span class="sd">± {value.deviation:.3f}</span>'
        )
        text = f"{value.mean:.3f}{spread}"
    return f'<td class="{" ".join(style)}">{text}</td>'


def _line(summary: Summary, line: Line) -> str:
    best = any(cell.best for cell in line.cells)
    number = "" if line.row is None else str(line.row)
    cells = [
        f'<th scope="row" class="name{" best" if best else ""}"><span class="number">{number}'
        f"</span> {escape(line.label)}</th>"
    ]
    for place, metric in enumerate(summary.metrics):
        text = printed(line.paper.get(metric))
        style = ("first " if not place else "") + ("empty" if text == NOT_TRAINED else "")
        cells.append(f'<td class="{style}">{text}</td>')
    for column, cell in zip(summary.columns, line.cells, strict=True):
        if not column.runs:
            cells.append(f'<td class="first empty">{NOT_RUN}</td>')
            continue
        count = f"n={cell.n}" + (" *" if cell.best else "") if cell.n else ""
        cells.append(f'<td class="first{" best" if cell.best else ""}">{count}</td>')
        cells += [_ours(cell, metric) for metric in summary.metrics]
    return f"<tr>{''.join(cells)}</tr>"


def _head(summary: Summary) -> str:
    titles = [METRICS[metric][0] for metric in summary.metrics]

    first = ' class="first"'

    def titled(names: list[str]) -> str:
        return "".join(
            f'<th scope="col"{first if not i else ""}>{name}</th>' for i, name in enumerate(names)
        )

    groups = [f'<th class="paper" colspan="{len(titles)}">{escape(summary.paper_header)}</th>']
    names = [titled(titles)]
    for place, column in enumerate(summary.columns):
        span = len(titles) + 1 if column.runs else 1
        style = kind_of(summary, place)
        groups.append(f'<th class="{style}" colspan="{span}">{escape(column.header)}</th>')
        names.append(titled(["seeds", *titles]) if column.runs else '<th class="first"></th>')
    corner = '<th class="name" rowspan="2">Row</th>'
    return (
        f'<thead><tr class="groups">{corner}{"".join(groups)}</tr>'
        f"<tr>{''.join(names)}</tr></thead>"
    )


def _legend(summary: Summary) -> str:
    entries = [("paper", summary.paper_header)]
    entries += [
        (kind_of(summary, place), column.header)
        for place, column in enumerate(summary.columns)
        if column.runs
    ]
    parts = [
        f'<span><svg width="14" height="14" viewBox="0 0 14 14">{marker(kind, 7, 7)}</svg>'
        f"{escape(name)}</span>"
        for kind, name in entries
    ]
    if summary.baselines:
        parts.append(
            '<span><svg width="14" height="14" viewBox="0 0 14 14"><line class="baseline legend" '
            f'x1="7" x2="7" y1="0" y2="14"/></svg>{escape(_baseline_names(summary))}</span>'
        )
    return f'<p class="legend">{"".join(parts)}</p>'


def _baseline_names(summary: Summary) -> str:
    return "baselines: " + ", ".join(line.label for line in summary.baselines)


def render_html(summary: Summary) -> str:
    """The comparison as a whole HTML document: no script, no external resource, light and dark."""
    title = f"Table {summary.table}" + (f": {summary.title}" if summary.title else "")
    badge = '<span class="badge">synthetic data</span>' if summary.synthetic else ""
    notes = "".join(
        f'<li class="{"warning" if note.startswith("SYNTHETIC") else "note"}">{escape(note)}</li>'
        for note in summary.notes
    )
    rows = "".join(_line(summary, line) for line in summary.lines)
    baselines = "".join(_line(summary, line) for line in summary.baselines)
    plots = "".join(
        f"<figure><figcaption>{METRICS[metric][0]}</figcaption>{plot(summary, metric)}</figure>"
        for metric in summary.metrics
        if metric not in NOT_PLOTTED
    )
    bodies = f"<tbody>{rows}</tbody>"
    bodies += f'<tbody class="baselines">{baselines}</tbody>' if baselines else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(summary.heading)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}{badge}</h1><ul>{notes}</ul>"
        f'<div class="scroll" tabindex="0"><table>{_head(summary)}{bodies}</table></div>'
        f'<h2>By metric</h2>{_legend(summary)}<div class="plots">{plots}</div>'
        f"<footer>{escape('; '.join(summary.provenance))}</footer></body></html>\n"
    )
