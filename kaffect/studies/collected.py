"""Results of several folders put together: shards of one table, or many tables (Section V).

What cannot stand in one column is rejected, and so are people in two of the sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaffect.errors import ArtifactError, ConfigError
from kaffect.files import read_json
from kaffect.studies.experiment import Table
from kaffect.studies.finding import tables
from kaffect.studies.jobs import JOBS, all_records, finished_tables
from kaffect.studies.registry import TRAINED
from kaffect.studies.results import is_row
from kaffect.studies.split_facts import facts_file, require_apart
from kaffect.studies.stored_sums import ORIGIN

Record = dict[str, Any]
_LINES = "table_*.jsonl"


@dataclass(frozen=True)
class Results:
    """All results of one table.

    Attributes:
        records: each with its folder under `ORIGIN`.
        facts: hash of the data -> what their run said of them.
    """

    table: Table
    records: tuple[Record, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def variants(self) -> tuple[str, ...]:
        """Those of the study that have results, in its order."""
        present = {record.get("variant", "") for record in self.records if is_row(record)}
        return tuple(name for name in TRAINED[self.table.study].variants if name in present)

    def of(self, variant: str) -> list[Record]:
        """The rows of a variant, and the baselines."""
        return [r for r in self.records if r.get("variant", "") in ("", variant)]


def collect(folders: Sequence[Path], only: str | None = None) -> list[Results]:
    """The results of `folders`, table by table, in the order of the publications.

    Args:
        folders: of results, or with folders of results in them.
        only: name of the one table that is wanted.

    Raises:
        ConfigError: a folder without results, or results that cannot stand in one column.
        ArtifactError: results that cannot be read.
        DatasetError: a person is in two of the sets.
    """
    found: dict[str, list[Record]] = {}
    for folder in results_folders(folders):
        names = [record["table"] for record in finished_tables(folder)]
        names += [path.stem.removeprefix("table_").upper() for path in folder.glob(_LINES)]
        for name in dict.fromkeys(names):
            for record in all_records(folder, name):
                _require_keys(record, folder)
                found.setdefault(record["table"], []).append({**record, ORIGIN: str(folder)})
    if only is not None:
        found = {name: records for name, records in found.items() if name.upper() == only.upper()}
    if not found:
        where, which = ", ".join(map(str, folders)), f" of table {only}" if only else ""
        raise ConfigError(f"--report {where}: holds no result{which}")
    known = tables()
    order = [*(name for name in known if name in found), *sorted(set(found) - set(known))]
    return [_results(known.get(name), name, found[name]) for name in order]


def results_folders(folders: Sequence[Path]) -> list[Path]:
    """`folders`, and of those without results the folders in them that have some.

    Raises:
        ConfigError: one is no folder, or has none.
    """
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"--report {folder}: expected a folder; there is none of that name")
        own = [folder] if _has_results(folder) else sorted(filter(_has_results, folder.iterdir()))
        if not own:
            raise ConfigError(f"--report {folder}: holds no result")
        found += own
    return list({path.resolve(): path for path in found}.values())


def _has_results(folder: Path) -> bool:
    return any(path for pattern in (_LINES, f"{JOBS}/*.json") for path in folder.glob(pattern))


def _require_keys(record: Record, folder: Path) -> None:
    missing = [key for key in ("table", "row", "seed", "metrics", "study") if key not in record]
    if missing or record["study"] not in TRAINED:
        what = ", ".join(missing) or f"a study of this version: {record['study']!r}"
        raise ArtifactError(f"{folder}: a result without {what}")


def _results(table: Any, name: str, records: list[Record]) -> Results:
    if not isinstance(table, Table):  # of the user's own
        table = Table(name, "", records[0]["study"])
    _require_one_column(name, records)
    return Results(table, tuple(records), _facts(records))


def _require_one_column(name: str, records: Iterable[Record]) -> None:
    """Reject what a table would put into one column: two sets of data, two precisions."""
    columns: dict[tuple, dict[str, dict[str, str]]] = {}
    for record in filter(is_row, records):
        key = tuple(record.get(part) for part in ("variant", "data_kind", "data_name", "profile"))
        parts = columns.setdefault(key, {"data_hash": {}, "precision": {}})
        for part, values in parts.items():
            values.setdefault(str(record.get(part)), record[ORIGIN])
    for key, parts in columns.items():
        for part, what in (("data_hash", "sets of data"), ("precision", "precisions")):
            values = parts[part]
            if len(values) > 1 and (part == "precision" or len(set(values.values())) > 1):
                each = ", ".join(f"{value} in {folder}" for value, folder in values.items())
                raise ConfigError(
                    f"table {name}: results of {len(values)} {what} in one column ({key[2]}, "
                    f"{key[3]}): {each}. Report them apart"
                )


def _facts(records: Iterable[Record]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for record in records:
        name = str(record.get("data_hash"))
        path = Path(record[ORIGIN]) / facts_file(name)
        if name not in found and path.is_file():
            facts = read_json(path)
            if not isinstance(facts, dict) or not isinstance(facts.get("splits"), dict):
                raise ArtifactError(f"{path}: not the description of data")
            require_apart(facts)
            found[name] = facts
    return found
