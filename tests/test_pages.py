"""The pages' templates: text is escaped, a forgotten value fails, the wheel brings every file."""

from __future__ import annotations

import configparser
import re
from fnmatch import fnmatch
from pathlib import Path

import jinja2
import numpy as np
import pytest

from kaffect.pages import png_uri, render
from kaffect.studies.report import summarise

ROOT = Path(__file__).parent.parent


def test_a_forgotten_value_fails() -> None:
    parts = ("names", "columns", "plots", "differences", "whiskers")
    values = {"summary": summarise([], [], table="XI"), **{name: [] for name in parts}}
    assert "Table XI" in render("report", **values)
    values["plots"] = [object()]
    with pytest.raises(jinja2.UndefinedError, match="no attribute 'name'"):
        render("report", **values)


def test_a_picture_is_part_of_the_page() -> None:
    assert png_uri(b"\x89PNG\xfb") == "data:image/png;base64,iVBOR/s="


def test_the_wheel_brings_every_template() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = setup["options.package_data"]["kaffect.pages"].split()
    files = [p.name for p in (ROOT / "kaffect" / "pages").iterdir() if p.is_file()]
    left_out = [n for n in files if not any(fnmatch(n, pattern) for pattern in patterns)]
    assert left_out == ["__init__.py"]


STYLE = (ROOT / "kaffect/pages/style.css").read_text(encoding="utf-8")
LIGHT, DARK = re.findall(r":root {(.*?)}", STYLE, re.S)


def test_every_colour_has_a_dark_twin_and_a_user() -> None:
    light, dark = (set(re.findall(r"(--[\w-]+):", block)) for block in (LIGHT, DARK))
    assert set(re.findall(r"var\((--[\w-]+)\)", STYLE)) - light == set()
    assert light == dark
    # A canvas takes its colours by name in the scripts; a class's by its number.
    scripts = "".join(path.read_text() for path in (ROOT / "kaffect").rglob("assets/*.js"))
    named = set(re.findall(r"[\"`](?:--)?([\w-]+)(?:\$\{code\})?[\"`]", scripts))
    wanted = {name for name in light if f"var({name})" not in STYLE}
    assert {name for name in wanted if re.sub(r"\d$", "", name[2:]) not in named} == set()


def test_every_page_has_the_one_style_sheet() -> None:
    files = [path.name for path in (ROOT / "kaffect").rglob("*")]
    assert [name for name in files if name.endswith((".css", ".html"))] == ["style.css"]
    pages = {path.name.removesuffix(".html.j2") for path in (ROOT / "kaffect").rglob("*.html.j2")}
    for page in pages - {"base"}:
        text = (ROOT / f"kaffect/pages/{page}.html.j2").read_text(encoding="utf-8")
        assert text.startswith('{% extends "base.html.j2" %}\n') and "<style" not in text, page
    served = {"demo": "/demo/", "annotate": "/assets/", "annotate_review": "/assets/"}
    for page, folder in served.items():
        html = render(page)
        links = re.findall(r'(?:href|src)="([^"]*)"', html)
        assert f"{folder}style.css" in links and "style=" not in html, page
        assert [link for link in links if not link.startswith((folder, "data:"))] == [], page


def _luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_text_has_contrast_in_light_and_dark() -> None:
    """At least 4.5 : 1, as WCAG 2.2 asks of text, from the style's own colours."""
    pairs = [("accent-ink", "accent"), ("ok", "ok-back"), ("bad", "bad-back"), ("ink", "active"),
             ("on-label", "unsure"), ("card", "recording")]  # fmt: skip
    pairs += [("on-label", f"class-{n}") for n in range(8)]
    pairs += [(name, back) for name in ("ink", "quiet", "synthetic")
              for back in ("ground", "card", "band")]  # fmt: skip
    pairs += [(name, "band") for name in ("paper", "paper-data", "real")]
    for block in (LIGHT, DARK):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", block))
        for front, back in pairs:
            high, low = sorted((_luminance(colours[n]) for n in (front, back)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)
