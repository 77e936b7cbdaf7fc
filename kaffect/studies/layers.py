"""Prints Tables V-VIII from the built networks, next to the paper's rows (paper Section IV-A)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import zip_longest

from kaffect import models
from kaffect.errors import ConfigError
from kaffect.models.layer_table import LayerRow
from kaffect.studies.experiment import NetworkTable

_COLUMNS = ("layer", "filter", "stride", "padding", "units")


def print_layers(table: NetworkTable, options: argparse.Namespace) -> None:
    """`--table V` ... `--table VIII`; `--kernel 7` builds configuration 2 with 7x7 filters.

    Raises:
        ConfigError: another filter size for configuration 1.
    """
    chosen = table.builder.startswith("dcgan")
    if options.kernel != 5 and not chosen:
        raise ConfigError(
            f"--kernel {options.kernel}: table {table.name} has no other filters; "
            "--table VII and --table VIII have"
        )
    kernel = options.kernel if chosen else 5
    arguments = {"kernel_size": kernel} if chosen else {}
    model = getattr(models, table.builder)(**arguments)
    print(f"Table {table.name}: {table.title}")
    print("\n".join(side_by_side(table, models.layer_table(model))))
    print(f"parameters: {model.count_params():,}, of them trained: {_trained(model):,}")
    for note in notes_of(table, kernel):
        print(f"- {note}")


def notes_of(table: NetworkTable, kernel: int) -> tuple[str, ...]:
    """What to know beside the rows."""
    if kernel == 5:
        return table.notes
    return (*table.notes, f"Built with {kernel}x{kernel} filters (Section IV-A tests 7x7 too).")


def side_by_side(table: NetworkTable, built: Sequence[LayerRow]) -> list[str]:
    """Lines of text: the paper's columns, ours, our output; `*` where the two differ."""
    lines = [("", *(f"paper: {c}" for c in _COLUMNS), *(f"built: {c}" for c in _COLUMNS), "output")]
    printed = [_printed(*row) for row in table.rows]
    for paper, ours in zip_longest(printed, built, fillvalue=LayerRow("")):
        # Activations that only the paper lists (the two sigmoids) have no counterpart.
        output = "x".join(map(str, ours.output))
        mark = "*" if differs(paper, ours) else ""
        lines.append((mark, *_cells(paper), *_cells(ours), output))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    keep = [i for i, width in enumerate(widths) if width and (i == 0 or _filled(lines, i))]
    return ["  ".join(line[i].ljust(widths[i]) for i in keep).rstrip() for line in lines]


def _printed(
    layer: str, filter_: str = "", stride: str = "", padding: str = "", units: str = ""
) -> LayerRow:
    return LayerRow(layer, filter_, stride, padding, units)


def _filled(lines: list[tuple[str, ...]], column: int) -> bool:
    return any(line[column] for line in lines[1:])


def _cells(row: LayerRow) -> tuple[str, ...]:
    return tuple(getattr(row, name) for name in _COLUMNS)


def differs(paper: LayerRow, ours: LayerRow) -> bool:
    """Whether a printed cell differs; units are compared as numbers (2+8+1 is 11)."""
    if _cells(paper)[:4] != _cells(ours)[:4]:
        return True
    return _number(paper.units) != _number(ours.units)


def _number(text: str) -> int:
    """'2+8+1' and '1*6*6*1024' as numbers; '' is 0."""
    total = 0
    for term in filter(None, text.split("+")):
        product = 1
        for factor in term.split("*"):
            product *= int(factor)
        total += product
    return total


def _trained(model) -> int:  # type: ignore[no-untyped-def]
    return sum(v.value.shape.num_elements() for v in model.trainable_variables)
