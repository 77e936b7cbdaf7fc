"""Kept results (docs/performance.jsonl), and the part of docs/performance.md made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kaffect.files import write_text
from scripts.benchmarks.frame.machine import ROOT

LINES = ROOT / "docs" / "performance.jsonl"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- made by scripts/benchmark.py -->", "<!-- end -->"
Line = Mapping[str, Any]


def read_lines(path: Path | None = None) -> list[Line]:
    """All kept results."""
    path = path or LINES
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def keep(new: Iterable[Line], path: Path | None = None) -> list[Line]:
    """Writes results; each takes the place of that of the same benchmark on the same machine."""
    path = path or LINES
    kept = {(line["machine"], line["benchmark"]): line for line in [*read_lines(path), *new]}
    lines = [kept[key] for key in sorted(kept)]
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
    return lines


def write_page(lines: Iterable[Line]) -> None:
    """Puts the tables of `lines` between the two marks of the page."""
    write_text(PAGE, with_tables(PAGE.read_text(encoding="utf-8"), lines))


def with_tables(text: str, lines: Iterable[Line]) -> str:
    """`text` with the tables of `lines` between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the page has no part from {BEGIN} to {END}")
    return f"{before}{BEGIN}\n\n{tables(lines)}\n{END}{after}"


def tables(lines: Iterable[Line]) -> str:
    """A section for each kind of processor, in it a table of figures and one of each benchmark."""
    machines: dict[str, list[Line]] = {}
    for line in lines:
        machines.setdefault(line["machine"], []).append(line)
    return "\n".join(part for name in sorted(machines) for part in _section(name, machines[name]))


def _section(name: str, lines: list[Line]) -> list[str]:
    parts = [f"### {name}\n", f"Instructions: {', '.join(lines[0]['instructions'])}.\n"]
    parts += ["| benchmark | figure | measured | wanted |", "|---|---|---|---|"]
    for line in lines:
        for figure, value in line["figures"].items():
            wanted = line["wanted"].get(figure, "")
            shown = "not measured" if value is None else f"{value:.3g}"
            parts.append(f"| {line['benchmark']} | {figure} | {shown} | {wanted} |")
    parts.append("")
    for line in lines:
        parts += [f"#### {line['benchmark']}\n", f"{_circumstances(line)}\n", *rows(line), ""]
        parts += [f"{name}: left out, {why}.\n" for name, why in line["left_out"].items()]
    return parts


def _circumstances(line: Line) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in line["versions"].items())
    load = " to ".join(f"{value:.1f}" for value in line["load"])
    turns = "1 turn" if line["turns"] == 1 else f"{line['turns']} turns"
    return (
        f"{line['title']}. Medians of {turns}, load {load}, {line['time'][:10]}, "
        f"commit {line['commit']}, {libraries}."
    )


def rows(line: Line) -> list[str]:
    """The table of a benchmark's variants."""
    unit = line["unit"]
    found = [
        f"| variant | seconds | processor seconds | {f'{unit} a second | ' if unit else ''}"
        "peak memory, MiB | steps |",
        f"|---|---|---|{'---|' if unit else ''}---|---|",
    ]
    for name, one in line["variants"].items():
        rate = f"{line['amount'] / one['seconds']:.4g} | " if unit else ""
        found.append(
            f"| {name} | {one['seconds']:.4g} | {one['processor_seconds']:.4g} | {rate}"
            f"{one['peak_mib']:.0f} | {one['steps']} |"
        )
    return found
