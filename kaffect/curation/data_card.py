"""A data set on one self-contained HTML page: people, amounts, balance (paper Section II)."""

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
    """The HTML page, with its pictures embedded.

    Args:
        figures: each with its caption.
    """
    pictures = [(caption, png(figure, 90)) for caption, figure in figures]
    return render("data_card", statistics=statistics, tables=tables, pictures=pictures)
