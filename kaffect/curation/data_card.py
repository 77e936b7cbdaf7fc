"""A data set on one page that needs nothing else: who, how much, how balanced (Section II)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from kaffect.curation.figures import png
from kaffect.curation.statistics import Statistics
from kaffect.curation.tables import TextTable
from kaffect.pages import render


def data_card(
    statistics: Statistics,
    tables: Sequence[TextTable],
    figures: Sequence[tuple[str, Figure]],
) -> str:
    """The HTML page; pictures are inside of it.

    Args:
        figures: each with its caption.
    """
    pictures = [(caption, png(figure, 90)) for caption, figure in figures]
    return render("data_card", statistics=statistics, tables=tables, pictures=pictures)
