"""The report as HTML: cells, plots, nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from kaffect.studies.report import (
    ReferenceRow,
    render_html,
    render_markdown,
    summarise,
)
from tests.studies.report.runs import REFERENCE, run, summary


class Page(HTMLParser):
    """Collects tags, attributes and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_self_contained_and_escaped() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=y>"
    result = summarise(
        [run(1), run(9, label=evil, notes=[evil]), run(1, data_kind="real", data_name=evil)],
        [*REFERENCE, ReferenceRow(4, evil, evil, {"accuracy": 0.5})],
        table="XI",
        title=evil,
    )
    text = render_html(result)
    page = Page(text)
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert not [v for k, v in page.attributes if k in ("src", "href") or k.startswith("on")]
    assert "url(" not in text and "http" not in text and "@import" not in text
    assert page.text.count("<script>alert(1)</script>") >= 4  # shown as text
    assert "prefers-color-scheme: dark" in text
    assert "<script>" not in render_markdown(result)


def test_html_table_has_the_right_cells() -> None:
    result = summary(
        run(1, 0.25), run(1, 0.35, seed=1), run(2, 0.2), run(3, 0.2), run("constant", 0.0)
    )
    text = render_html(result)
    table = ElementTree.fromstring(text[text.index("<table>") : text.index("</table>") + 8])
    spans = [int(head.get("colspan", 1)) for head in table.find("thead")[0]]
    assert spans == [1, 5, 1, 6]
    rows = ["".join(e.itertext()) for body in table.iter("tbody") for e in body]
    joint = "1 joint, learning rate 1e-4" + "0.411" * 5
    assert rows[0] == joint + "not run" + "n=2 best" + "0.300± 0.071" * 5
    assert rows[2] == "3 only VA0.6330.633———not runn=10.2000.200———"
    assert rows[3] == " constant predictor" + "—" * 5 + "not run" + "n=1" + "0.000" * 5
    assert all(len(row) == 1 + 5 + 1 + 6 for body in table.iter("tbody") for row in body)


def test_plots_show_each_figure_where_it_belongs() -> None:
    result = summary(run(1, 0.2), run(1, 0.4, seed=1), run(2, 0.8), run("constant", 0.1))
    text = render_html(result)
    svg = re.search(r'<svg [^>]*aria-label="Accuracy.*?</svg>', text, re.DOTALL).group()
    plot = ElementTree.fromstring(svg)
    ticks = {t.text: float(t.get("x")) for t in plot.iter("text") if t.get("class") == "tick"}

    def expected(value: float) -> float:
        return ticks["0.0"] + value / 0.8 * (ticks["0.8"] - ticks["0.0"])

    groups = {group.find("title").text: group for group in plot.iter("g")}
    first = groups["joint, learning rate 1e-4"]
    assert float(first.find("circle").get("cx")) == pytest.approx(expected(0.411), abs=0.1)
    points = first.find("polygon").get("points").split()
    assert float(points[0].split(",")[0]) == pytest.approx(expected(0.3), abs=0.1)
    # Whiskers are intervals; a deviation alone has none.
    assert not [line for line in first.iter("line") if line.get("class") == "mark synthetic"]
    assert len(list(groups["only VA"])) == 3  # title, number, grid line: neither was measured
    (baseline,) = [line for line in plot.iter("line") if "baseline" in line.get("class")]
    assert float(baseline.get("x1")) == pytest.approx(expected(0.1), abs=0.1)
