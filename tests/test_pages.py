"""The pages' templates: text is escaped, a forgotten value fails, the wheel brings every file."""

from __future__ import annotations

import configparser
import re
from fnmatch import fnmatch
from pathlib import Path

import jinja2
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


@pytest.mark.parametrize(
    "sheet",
    ["pages/style.css", "annotation/assets/style.css", "serving/demo/assets/page.css"],
)
def test_every_colour_has_a_dark_twin(sheet: str) -> None:
    text = (ROOT / "kaffect" / sheet).read_text(encoding="utf-8")
    light, dark = (
        set(re.findall(r"(--[\w-]+):", b)) for b in re.findall(r":root {(.*?)}", text, re.S)
    )
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    assert used - light == set()
    assert light - dark == set()
