"""Keeps the results of finished tables in the repository, and writes the pages made of them.

    python scripts/publish_results.py [RESULTS ...]

Takes the JSON lines and sums of each results folder of `experiments/run.py` into
`experiments/results/`, then writes docs/results.md and the table of the README from what is
there. Without a folder it writes the pages alone; a test compares them with the lines.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from kaffect.files import write_text  # noqa: E402
from kaffect.studies.experiment import Table, loaded  # noqa: E402
from kaffect.studies.finding import find_trained, tables  # noqa: E402
from kaffect.studies.plan import Plan  # noqa: E402
from kaffect.studies.registry import TRAINED  # noqa: E402
from kaffect.studies.report import render_markdown  # noqa: E402
from kaffect.studies.reporting import summary_of  # noqa: E402
from kaffect.studies.results import is_row, read_records  # noqa: E402
from kaffect.studies.stored_sums import StoredSums  # noqa: E402

KEPT = ROOT / "experiments" / "results"
READING = KEPT / "READING.md"  # written by hand: what the figures can support
PAGE, README = ROOT / "docs" / "results.md", ROOT / "README.md"
# Of each record; histories and paths of one machine are left where the table was trained.
LEFT_OUT = ("history", "folder")
_BLOCK = re.compile(r"(<!-- table xi -->\n).*?(<!-- end -->)", re.S)
_COLUMNS = ("ccc_valence", "ccc_arousal", "accuracy", "f1_macro")

Record = Mapping[str, Any]


def keep(folder: Path, kept: Path = KEPT) -> None:
    """Copy the lines and sums of a results folder, in the place of those that were kept before."""
    for lines in sorted(folder.glob("table_*.jsonl")):
        target = kept / lines.stem
        records = [
            {name: value for name, value in record.items() if name not in LEFT_OUT}
            for record in read_records(lines)
        ]
        text = "".join(json.dumps(record, sort_keys=True) + "\n" for record in records)
        write_text(target / lines.name, text)
        shutil.rmtree(target / "clusters", ignore_errors=True)
        for record in records:
            if "clusters" in record:
                path = target / record["clusters"]
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / record["clusters"], path)


def published(kept: Path = KEPT) -> Iterator[tuple[Table, Path]]:
    """Every table that has lines, and their folder."""
    for name, table in tables().items():
        folder = kept / f"table_{name.lower()}"
        if table.study in TRAINED and (folder / f"{folder.name}.jsonl").is_file():
            yield find_trained(name), folder


def section(table: Table, folder: Path) -> str:
    """The report of a table as the page has it: command, machine, then figures beside figures."""
    records = list(read_records(folder / f"{folder.name}.jsonl"))
    trained = [record for record in records if is_row(record)]
    study = TRAINED[table.study]
    profile = study.profiles[trained[0]["profile"]]
    variants = dict.fromkeys(record["variant"] for record in trained)
    seeds = len({record["seed"] for record in trained})
    precisions = ", ".join(dict.fromkeys(record["precision"] for record in trained))
    command = f"python experiments/run.py --table {table.name} --precision {precisions}"
    lines = [
        f"`{command}` ({profile.name} profile, {seeds} seeds), "
        f"{min(r['time'] for r in trained)[:10]}.",
        "",
    ]
    plan = Plan(table, profile, None, ())
    adapter = loaded(study.adapter)
    for variant in variants:
        summary = summary_of(plan, adapter, variant, list(records), stored=StoredSums(folder))
        lines.append(render_markdown(summary))
    return "\n".join(lines)


def page(kept: Path = KEPT) -> str:
    """docs/results.md."""
    head = (
        "# Results\n\n"
        "Trained on the embedded **synthetic** faces; made by `scripts/publish_results.py` from "
        "the lines in `experiments/results/`. What figures like these can support: "
        "[statistics.md](statistics.md).\n"
    )
    reading = READING.read_text(encoding="utf-8")
    tables_in_it = (section(table, folder) for table, folder in published(kept))
    return "\n".join([head, *tables_in_it, reading])


def readme_table(kept: Path = KEPT) -> str:
    """Table XI in short: the paper's figures, and ours with their spread over seeds."""
    found = {table.name: folder for table, folder in published(kept)}
    if "XI" not in found:
        return ""
    from kaffect.studies.reference import published_figures

    table, figures = find_trained("XI"), published_figures("XI")
    rows: dict[int, list[Record]] = {}
    for record in read_records(found["XI"] / "table_xi.jsonl"):
        if is_row(record):
            rows.setdefault(record["row"], []).append(record)
    seeds = min(len(records) for records in rows.values())
    lines = [
        f"Paper: one run on Aff-Wild. Ours: mean ± sample standard deviation over {seeds} seeds, "
        "demo profile, **synthetic** faces.",
        "",
        "| row | CCC valence, arousal: paper | ours (synthetic) | accuracy, macro F1: paper "
        "| ours (synthetic) |",
        "|---|---|---|---|---|",
    ]
    for number, row in enumerate(table.rows, start=1):
        paper = [f"{figures[number][name]:.3f}" for name in _COLUMNS]
        ours = [_spread([r["metrics"][name] for r in rows[number]]) for name in _COLUMNS]
        cells = [", ".join(pair) for pair in (paper[:2], ours[:2], paper[2:], ours[2:])]
        lines.append(f"| {number} {row.label} | {' | '.join(cells)} |")
    more = "[docs/results.md](docs/results.md) has intervals over seeds and people, and says which"
    return "\n".join([*lines, "", f"{more} rows differ.", ""])


def _spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"


def with_table(readme: str, kept: Path = KEPT) -> str:
    """The README's text with the table in its place."""
    return _BLOCK.sub(lambda m: m.group(1) + readme_table(kept) + m.group(2), readme)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", nargs="*", type=Path, help="folders of experiments/run.py")
    for folder in parser.parse_args().results:
        keep(folder)
    write_text(PAGE, page())
    write_text(README, with_table(README.read_text(encoding="utf-8")))
    print(f"{PAGE} and {README}: {', '.join(table.name for table, _ in published())}")


if __name__ == "__main__":
    main()
