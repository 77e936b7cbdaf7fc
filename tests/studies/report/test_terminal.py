"""The report in a terminal: its width, wide characters, short names."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from kaffect.studies.report import (
    ReferenceRow,
    render_terminal,
    summarise,
)
from tests.studies.report.runs import BOTH, REFERENCE, run, summary


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_terminal_fits_its_width(width: int) -> None:
    runs = [run(row, 0.3 + seed / 10, seed=seed) for row in (1, 2, 3) for seed in (0, 1)]
    result = summary(*runs, run("linear_probe", 0.2), notes=["a long note " * 20])
    lines = render_terminal(result, width).plain.splitlines()
    assert max(map(cell_len, lines)) <= width
    assert lines == [line.rstrip() for line in lines]
    text = "\n".join(lines)
    # Every row and metric once with both figures, however the table is cut.
    assert len(re.findall(r"0\.522", text)) == len(re.findall(r"0\.633", text)) + 3 == 5
    assert len(re.findall(r"0\.350±\.071", text)) == 2 * 5 + 2
    assert text.count("n=2") >= 3
    assert "ours (Aff-Wild): not run" in text or "not run" in lines[6]
    assert "(synthetic, demo)" in text


def test_terminal_keeps_one_table_where_there_is_room() -> None:
    result = summary(run(1), run(2))
    assert render_terminal(result, 160).plain.count("learning rate 1e-3") == 1
    assert render_terminal(result, 70).plain.count("joint 1e-3") == 2


def test_terminal_aligns_wide_characters_and_takes_no_markup() -> None:
    row = ReferenceRow(4, "[red]表情[/red] :smile:", "[red]表情", dict.fromkeys(BOTH, 0.411))
    result = summarise([run(1)], [*REFERENCE, row], table="XI", notes=["注" * 100, "[bold]"])
    for width in (60, 160):
        lines = render_terminal(result, width).plain.splitlines()
        assert max(map(cell_len, lines)) <= width
        first, fourth = (
            [cell_len(line[: line.index("0.411")]) for line in lines if line.startswith(number)]
            for number in (" 1 ", " 4 ")
        )
        assert first == fourth != []
    assert any(line.startswith(" 4 [red]表情[/red] :smile: ") for line in lines)
    assert "- [bold]" in lines


def test_terminal_shortens_names_where_nothing_else_fits() -> None:
    row = ReferenceRow(4, "even longer", "a very long name of a row", dict.fromkeys(BOTH, 0.411))
    lines = render_terminal(summarise([run(4)], [row], table="XI"), 49).plain.splitlines()
    assert sum(line.startswith(" 4 a very long na…") for line in lines) == len(BOTH)
    assert max(map(cell_len, lines)) <= 49
