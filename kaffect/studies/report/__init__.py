"""The report of a table, "paper | ours" (Section V): for the terminal, as Markdown and as HTML.

>>> text = render_markdown(summarise([], [], table="XI"))
>>> text.splitlines()[0]
'## Table XI'
"""

from kaffect.studies.report.html import render_html
from kaffect.studies.report.markdown import render_markdown
from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.notes import Wording
from kaffect.studies.report.summary import BASELINES, ReferenceRow, Summary, summarise
from kaffect.studies.report.terminal import render_terminal

__all__ = [
    "BASELINES",
    "METRICS",
    "ReferenceRow",
    "Summary",
    "Wording",
    "render_html",
    "render_markdown",
    "render_terminal",
    "summarise",
]
