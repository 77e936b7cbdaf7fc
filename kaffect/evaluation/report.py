"""The report of a table, "paper | ours" (Section V): for the terminal, as Markdown and as HTML.

>>> text = render_markdown(summarise([], [], table="XI"))
>>> text.splitlines()[0]
'## Table XI'
"""

from kaffect.evaluation.report_html import render_html
from kaffect.evaluation.report_markdown import render_markdown
from kaffect.evaluation.report_terminal import render_terminal
from kaffect.evaluation.summary import BASELINES, METRICS, ReferenceRow, Summary, summarise

__all__ = [
    "BASELINES",
    "METRICS",
    "ReferenceRow",
    "Summary",
    "render_html",
    "render_markdown",
    "render_terminal",
    "summarise",
]
