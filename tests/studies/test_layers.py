"""Tables V-VIII as printed against the built networks: equal but for what the errata say."""

from __future__ import annotations

import argparse

import pytest

from experiments.tables import table_v_viii
from kaffect import models
from kaffect.models.layer_table import LayerRow
from kaffect.studies.layers import differs, print_layers, side_by_side

TABLES = {table.name: table for table in table_v_viii.TABLES}


def _differences(name: str) -> list[tuple[LayerRow, LayerRow]]:
    table = TABLES[name]
    built = models.layer_table(getattr(models, table.builder)())
    printed = [LayerRow(*row) for row in table.rows if not row[0].startswith("sigmoid")]
    assert len(printed) == len(built)
    return [(p, b) for p, b in zip(printed, built) if differs(p, b)]


@pytest.mark.parametrize("name", ["VI", "VII", "VIII"])
def test_built_networks_have_the_printed_layers(name: str) -> None:
    assert _differences(name) == []


def test_table_v_differs_in_its_padding_only() -> None:
    found = _differences("V")
    assert [paper.layer for paper, _ in found] == [f"conv2d transpose {i}" for i in (1, 2, 3, 4)]
    for paper, built in found:
        assert (paper.filter, paper.stride) == (built.filter, built.stride)
        assert (paper.padding, built.padding) == ("'SAME'", "'VALID'")


def test_units_are_compared_as_numbers() -> None:
    assert not differs(LayerRow("fc", units="2+8+1"), LayerRow("fc", units="11"))
    assert not differs(LayerRow("fc", units="1*6*6*1024"), LayerRow("fc", units="36864"))
    assert differs(LayerRow("fc", units="2+8+1"), LayerRow("fc", units="10"))
    assert differs(LayerRow("fc", stride="[1, 2, 2, 1]"), LayerRow("fc", stride="[1, 1, 1, 1]"))


@pytest.mark.parametrize(("name", "kernel"), [("V", 5), ("VI", 5), ("VII", 7), ("VIII", 7)])
def test_the_command_prints_both(
    name: str, kernel: int, capsys: pytest.CaptureFixture[str]
) -> None:
    print_layers(TABLES[name], argparse.Namespace(kernel=kernel))
    text = capsys.readouterr().out
    assert f"Table {name}" in text and "paper: filter" in text and "built: filter" in text
    if name == "V":
        assert "1-2-6-14-32" in text and "32x32x3" in text
    if kernel == 7:
        assert "[7, 7, " in text and "[5, 5, " in text


def test_a_line_for_every_layer() -> None:
    table = TABLES["V"]
    lines = side_by_side(table, models.layer_table(models.ssgan_generator()))
    assert len(lines) == 1 + len(table.rows)
    assert [line.startswith("*") for line in lines[1:]] == [
        row[0].startswith("conv2d") for row in table.rows
    ]
