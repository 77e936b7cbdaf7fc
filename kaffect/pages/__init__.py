"""Every HTML page of kaffect: one base template and one style sheet.

The table reports (Section V), the data card (Section II) and the page about a video bring the
style sheet inside and need no other file; the demo and the annotation pages (Section III-B)
fetch it from their own server. Text is escaped, and a template that names an unknown value fails.
"""

from __future__ import annotations

import base64
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER: Final = Path(__file__).parent


@functools.cache
def _environment() -> Environment:
    # jinja2 takes a tenth of a second, which commands without a page need not wait for.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["png_uri"] = png_uri
    return environment


def render(page: str, **values: Any) -> str:
    """The page of the template `page`.html.j2 as one HTML document.

    Args:
        page: 'report', 'results', 'data_card', 'video', 'demo', 'annotate' or 'annotate_review'.
        values: what the template shows; every string is escaped.
    """
    return _environment().get_template(f"{page}.html.j2").render(**values)


def style_sheet() -> bytes:
    """The style sheet, for a server whose pages link to it."""
    return (_FOLDER / "style.css").read_bytes()


def png_uri(png: bytes) -> str:
    """A PNG picture as the address of an `<img>`."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
