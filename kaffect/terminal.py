"""Tables and paragraphs of rich as lines of text: what reports print (Section V) and tests read."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.text import Text

# No table is wider; its columns then have the width that they ask for.
_UNBOUNDED = 10_000


def _console(width: int) -> Console:
    # A file of its own: what is printed must not depend on the terminal or the environment.
    return Console(file=io.StringIO(), width=width, legacy_windows=False)


def width_of(renderable: RenderableType) -> int:
    """How many cells the longest line takes."""
    console = _console(_UNBOUNDED)
    return Measurement.get(console, console.options, renderable).maximum


def text_of(renderable: RenderableType, width: int = _UNBOUNDED) -> Text:
    """The lines of a table or paragraph, with their colours and no spaces at their ends.

    Args:
        width: where paragraphs wrap, in cells.
    """
    lines = []
    for segments in _console(width).render_lines(renderable, pad=False):
        line = Text.assemble(*((part.text, part.style or "") for part in segments))
        line.rstrip()
        lines.append(line)
    return Text("\n").join(lines)
