"""A data set on one page that needs nothing else: who, how much, how balanced (Section II)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from kaffect.curation.figures import png
from kaffect.curation.statistics import Statistics
from kaffect.curation.tables import TextTable

_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: #fff; color: #1c1f23;
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.badge { display: inline-block; vertical-align: middle; margin-left: .5rem; padding: 0 .6rem;
  border: 1.5px solid #b84a00; border-radius: 1rem; color: #b84a00; font-size: .85rem; }
.warning { color: #b84a00; font-weight: 600; }
ul { color: #5b6470; padding-left: 1.2rem; }
.scroll { overflow-x: auto; border: 1px solid #d5dae0; border-radius: .5rem; width: fit-content;
  max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .3rem .8rem; text-align: right; font-weight: 400; }
thead th { background: #f4f6f8; font-weight: 600; border-bottom: 2px solid #d5dae0; }
th:first-child { text-align: left; }
tbody tr + tr > * { border-top: 1px solid #d5dae0; }
p { color: #5b6470; font-size: .9rem; }
.tables { display: flex; flex-wrap: wrap; gap: 0 2rem; align-items: flex-start; }
.figures { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
figure { margin: 0; } figure img { max-width: 100%; border: 1px solid #d5dae0;
  border-radius: .5rem; }
figcaption { font-weight: 600; font-size: .9rem; margin-bottom: .3rem; }
"""


def data_card(
    statistics: Statistics,
    tables: Sequence[TextTable],
    figures: Sequence[tuple[str, Figure]],
) -> str:
    """The HTML page; pictures are inside of it."""
    badge = "<span class='badge'>synthetic</span>" if statistics.synthetic else ""
    warning = (
        "<p class='warning'>Rendered, not recorded: nobody in it exists. "
        "These are no figures of Aff-Wild.</p>"
        if statistics.synthetic
        else ""
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in statistics.missing)
    pictures = "".join(
        f"<figure><figcaption>{escape(caption)}</figcaption>"
        f"<img alt='{escape(caption)}' src='data:image/png;base64,"
        f"{base64.b64encode(png(figure, 90)).decode()}'></figure>"
        for caption, figure in figures
    )
    name = escape(statistics.name)
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{name}: data card"
        f"</title><meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>"
        f"<body><h1>{name}: data card {badge}</h1>{warning}<ul>{notes}</ul>"
        f"<div class='tables'>{''.join(table.html() for table in tables)}</div>"
        f"<h2>Pictures</h2><div class='figures'>{pictures}</div></body></html>\n"
    )
