"""The lines of validation passes in what a table wrote to a log."""

from __future__ import annotations

import re

LINE = re.compile(
    r"(?P<what>.+): step (?P<place>\d+ of \d+), (?P<scores>.+ -?\d+\.\d{3}), "
    r"\d\d:\d\d elapsed(?P<left>, \d\d:\d\d left)?"
)


def passes(log: str) -> list[tuple[str, str, bool]]:
    """What was trained, the step, and whether a time left is told, for each validation pass."""
    assert "\r" not in log
    found = [match for line in log.splitlines() if (match := LINE.fullmatch(line))]
    assert all("score " in match["scores"] for match in found)
    return [(match["what"], match["place"], match["left"] is not None) for match in found]
