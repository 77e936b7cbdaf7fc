"""Runs of a table beside the paper's figures (Section V): means, intervals, best row.

The rules that keep a comparison honest live here and not in the renderers:
synthetic runs never share a column with runs on the paper's data, runs of
different profiles or settings are never averaged, and n is always known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kaffect.errors import ArtifactError, expected_received
from kaffect.studies.report.best import best_of
from kaffect.studies.report.cells import Cell, Column, Key, Line, cell_of
from kaffect.studies.report.metrics import METRICS
from kaffect.studies.report.notes import Wording, notes_for, provenance_of
from kaffect.studies.report.support import support_notes
from kaffect.studies.stored_sums import StoredSums

BASELINES = {
    "constant": "constant predictor",
    "constant_all_units": "constant, every AU",
    "linear_probe": "linear probe 12x12",
    "linear_probe_fitted": "linear probe, AU fitted",
}
_REQUIRED = ("table", "row", "seed", "metrics", "data_kind", "data_name", "profile")


@dataclass(frozen=True)
class ReferenceRow:
    """One row of the paper's table: number from 1, long and short name, printed figures."""

    row: int
    label: str
    short: str
    metrics: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class Summary:
    """Everything that a renderer prints."""

    table: str
    title: str
    paper_header: str
    metrics: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    baselines: tuple[Line, ...]
    notes: tuple[str, ...]
    provenance: tuple[str, ...]

    @property
    def published(self) -> bool:
        """Whether there are published figures beside ours."""
        return any(line.paper for line in self.lines)

    @property
    def synthetic(self) -> bool:
        """Whether any of our figures comes from synthetic data."""
        return any(column.synthetic and column.runs for column in self.columns)

    @property
    def heading(self) -> str:
        """Name and title, with the label of synthetic results."""
        title = f": {self.title}" if self.title else ""
        return f"Table {self.table}{title}" + (" [synthetic data]" if self.synthetic else "")


def summarise(
    runs: Iterable[Mapping[str, Any]],
    reference: Sequence[ReferenceRow],
    *,
    table: str,
    title: str = "",
    paper_data: str = "Aff-Wild",
    notes: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    wording: Wording = Wording(),
    stored: StoredSums = StoredSums(),
    against: int | None = None,
) -> Summary:
    """Put the runs of `table` beside the paper's rows.

    Of runs with the same column, row and seed the newest counts (by `time`, else by order); of
    runs with different settings or data in one column and row, those like the newest.

    Args:
        runs: records with `table`, `row` (number, or a key of `BASELINES`), `seed`, `metrics` (of
            the test split), `data_kind` ('synthetic' or 'real'), `data_name`, `profile`; optional
            `label`, `short`, `validation` (with `score`), `time` (ISO 8601), `commit`,
            `settings_hash` (of the configuration without its seed), `data_hash`, `scored_split`
            (`test` by default), `wall_time` (s), `notes`.
        reference: the paper's rows, in order.
        table: which table's records to take.
        title: what the table compares.
        paper_data: name of the data that the paper's figures come from.
        notes: deviations to state in the header, before those of the runs.
        metrics: which to show; by default those that the paper's rows have.
        wording: what to say of the publication.
        stored: the sums that the records name (`clusters`), for intervals.
        against: the row that differences are from; None: the best on validation.

    Raises:
        ArtifactError: a record without one of the needed keys, or of an unknown `data_kind`.
    """
    chosen = [(index, run) for index, run in enumerate(runs) if run.get("table") == table]
    for index, run in chosen:
        _check(index, run)
    ordered = [run for _, run in sorted(chosen, key=lambda pair: (_time(pair[1]), pair[0]))]
    groups, dropped = _newest(ordered)
    keys = list(dict.fromkeys(key[0] for key in groups))
    published = any(row.metrics for row in reference)
    columns = _columns(keys, ordered, paper_data, published)
    if not published:
        wording = replace(wording, runs="")
    names = [row.row for row in reference]
    names += sorted({r for _, r in groups if isinstance(r, int)} - set(names))
    extra = [r for r in BASELINES if any(r == name for _, name in groups)]
    extra += sorted({r for _, r in groups if isinstance(r, str)} - set(BASELINES))
    known = {row.row: row for row in reference}
    shown = tuple(metrics) if metrics is not None else _shown(reference, groups)
    places = [key for key, _ in columns]
    best = {key: best_of(key, groups, shown, against) for key in places}

    def cell(key: Key, row: int | str) -> Cell:
        rivals = groups.get((key, best[key].row), []) if isinstance(row, int) else []
        runs = groups.get((key, row), [])
        mark = best[key].mark if best[key].row == row else ""
        return cell_of(runs, shown, mark, rivals, stored)

    def line(row: int | str) -> Line:
        cells = tuple(cell(key, row) for key in places)
        if row in known:
            paper = known[row]  # type: ignore[index]
            return Line(paper.row, paper.label, paper.short, paper.metrics, cells)
        found = [run for key in places for run in groups.get((key, row), [])]
        label = str(found[0].get("label") or BASELINES.get(str(row), f"row {row}"))
        short = str(found[0].get("short") or BASELINES.get(str(row), label))
        return Line(row if isinstance(row, int) else None, label, short, {}, cells)

    synthetic = [column.header for _, column in columns if column.synthetic]
    every = [run for records in groups.values() for run in records]
    lines = tuple(line(row) for row in names)
    marks = support_notes([c for _, c in columns], lines, shown, [*best.values()], wording)
    return Summary(
        table=table,
        title=title,
        paper_header=f"{wording.publication} ({paper_data})",
        metrics=shown,
        columns=tuple(column for _, column in columns),
        lines=lines,
        baselines=tuple(line(row) for row in extra),
        notes=notes_for(every, synthetic, notes, dropped, marks, wording),
        provenance=provenance_of(every),
    )


def _check(index: int, run: Mapping[str, Any]) -> None:
    missing = [key for key in _REQUIRED if key not in run]
    if missing:
        raise ArtifactError(f"run record {index + 1}: without {', '.join(missing)}")
    if run["data_kind"] not in ("synthetic", "real"):
        raise ArtifactError(
            expected_received(
                f"run record {index + 1}: data_kind", ("synthetic", "real"), run["data_kind"]
            )
        )


def _time(run: Mapping[str, Any]) -> str:
    return str(run.get("time") or "")


def _key(run: Mapping[str, Any]) -> Key:
    """Of its column: kind and name of the data, profile, hash of the data."""
    return run["data_kind"], str(run["data_name"]), str(run["profile"]), str(run.get("data_hash"))


def _settings(run: Mapping[str, Any]) -> tuple:
    """What two runs must share, besides row and column, for their mean to make sense."""
    return tuple(run.get(name) for name in ("settings_hash", "data_hash", "scored_split"))


def _newest(ordered: Sequence[Mapping[str, Any]]) -> tuple[dict, int]:
    """(column, row) -> one run per seed, all of one setting; and how many had other settings."""
    groups: dict[tuple, dict[int, Mapping[str, Any]]] = {}
    for run in ordered:
        # pop: the newest run comes last, whatever its seed.
        seeds = groups.setdefault((_key(run), run["row"]), {})
        seeds.pop(run["seed"], None)
        seeds[run["seed"]] = run
    found, dropped = {}, 0
    for key, seeds in groups.items():
        records = list(seeds.values())
        settings = _settings(records[-1])
        found[key] = [run for run in records if _settings(run) == settings]
        dropped += len(records) - len(found[key])
    return found, dropped


def _is_paper_data(key: Key, paper_data: str) -> bool:
    def plain(name: str) -> str:
        return name.lower().replace("-", "").replace(" ", "")

    return key[0] == "real" and plain(key[1]) == plain(paper_data)


def _columns(
    keys: Sequence[Key], runs: Sequence[Mapping[str, Any]], paper_data: str, published: bool
) -> list[tuple[Key, Column]]:
    """Our columns: the paper's data first (without runs too, where it has figures), then other
    real data, then synthetic."""
    paper_key = ("real", paper_data, "paper", "")
    rank = {"real": 1, "synthetic": 2}
    present = [key for key in keys if _is_paper_data(key, paper_data) and key[2] == "paper"]
    others = [key for key in keys if key not in present]
    others.sort(key=lambda key: (not _is_paper_data(key, paper_data), rank[key[0]]))
    columns = []
    for key in (present or [paper_key] * published) + others:
        name = "synthetic" if key[0] == "synthetic" else key[1]
        if _is_paper_data(key, paper_data):
            name = paper_data
        # The data's own name tells two synthetic sets apart, a hash two sets of one name.
        twins = {k[1] for k in keys if k[0] == "synthetic"}
        if key[0] == "synthetic" and len(twins) > 1:
            name += f": {key[1]}"
        if any(k[:3] == key[:3] and k[3] != key[3] for k in keys):
            name += f", data {key[3][:6]}"
        profile = "" if key[2] == "paper" and key[0] == "real" else f", {key[2]}"
        count = sum(_key(run) == key for run in runs)
        column = Column(
            f"ours ({name}{profile})", key[0] == "synthetic", _is_paper_data(key, paper_data), count
        )
        columns.append((key, column))
    return columns


def _shown(reference: Sequence[ReferenceRow], groups: Mapping) -> tuple[str, ...]:
    """The metrics that the paper's table has; without one, those that were measured."""
    names = {name for row in reference for name in row.metrics}
    if not names:
        names = {name for runs in groups.values() for run in runs for name in run["metrics"]}
    return tuple(name for name in METRICS if name in names)
