"""The table "paper | ours" (Section V) as one HTML file that needs nothing else."""

from __future__ import annotations

from typing import Any

from kaffect.pages import render
from kaffect.studies.report.differences import differences_of
from kaffect.studies.report.metrics import METRICS, NOT_PLOTTED
from kaffect.studies.report.plot import kind_of, plot_of
from kaffect.studies.report.summary import Summary
from kaffect.studies.report.terminal import NOT_RUN, NOT_TRAINED, printed


def render_html(summary: Summary) -> str:
    """The comparison as a whole HTML document: no script, no external resource, light and dark."""
    return render("report", **view_of(summary))


def view_of(summary: Summary) -> dict[str, Any]:
    """What the template of a table shows."""
    plots = [plot_of(summary, m) for m in summary.metrics if m not in NOT_PLOTTED]
    return {
        "summary": summary,
        "names": [METRICS[metric][0] for metric in summary.metrics],
        "columns": [(kind_of(column), column) for column in summary.columns],
        "plots": plots,
        "differences": differences_of(summary),
        "printed": printed,
        "not_run": NOT_RUN,
        "not_trained": NOT_TRAINED,
        "whiskers": any(mark.ends for plot in plots for row in plot.rows for mark in row.marks),
    }
