"""Where results go: one folder for each run of the command, one JSON line for each trained row.

Serves the researcher: nothing of an earlier run is overwritten, and a line
holds everything that decides its numbers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaffect.appending import append_line, cut_file, ends_with_line
from kaffect.errors import ArtifactError, ConfigError, expected_received
from kaffect.files import read_json, write_json

if TYPE_CHECKING:
    from kaffect.studies.plan import Plan
    from kaffect.studies.sources import Source

# Of a record; raised when a field changes its meaning.
SCHEMA = 2

ROOT = Path(__file__).resolve().parents[2]
# Which data a results folder is of: their path; null are the embedded ones.
_DATA = "data.json"
# Results, and checkpoints of a row that was interrupted before it had any.
_EARLIER = ("*.jsonl", "jobs/*.json", "checkpoints/*/LAST.json")


def commit() -> str:
    """The commit of this checkout, with '+changes' where files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "-s") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def results_folder(out: Path | None, name: str, resume: bool, data: Path | None = None) -> Path:
    """The folder of this run: `out`, or the next (with `resume` the last) of `runs/<name>-NNN`.

    Args:
        data: the run's; a folder of other data of the same name is not gone on with.

    Raises:
        ConfigError: `out` already holds results, or a row that was interrupted, and `resume`
            was not asked for.
    """
    if out is not None:
        if out.exists() and not out.is_dir():
            raise ConfigError(f"--out {out}: expected a folder. Received: a file")
        if not resume and any(path for pattern in _EARLIER for path in out.glob(pattern)):
            raise ConfigError(
                f"--out {out}: holds an earlier run (its results, or the checkpoints of a row); "
                "add --resume to go on with it, or name another folder"
            )
        return out
    earlier = sorted(path for path in (Path("runs")).glob(f"{name}-[0-9][0-9][0-9]"))
    own = [path for path in earlier if _data_of(path) == _named(data)]
    if resume and own:
        return own[-1]
    number = int(earlier[-1].name[-3:]) + 1 if earlier else 1
    return Path("runs") / f"{name}-{number:03d}"


def results_file(folder: Path, table: str) -> Path:
    """Where the JSON lines of a table are."""
    return folder / f"table_{table.lower()}.jsonl"


def require_table(folder: Path, table: str) -> None:
    """Reject a folder with results of another table, whose checkpoints have the same names.

    Raises:
        ConfigError: names the other table's results.
    """
    own = results_file(folder, table)
    others = sorted(path.name for path in folder.glob("table_*.jsonl") if path != own)
    if others:
        what = f"--out {folder}: a folder for results of table {table}"
        raise ConfigError(expected_received(what, "one without those of another", others[0]))


def state_data(folder: Path, data: Path | None) -> None:
    """Write into a new results folder which data it is of."""
    if not (folder / _DATA).exists():
        write_json(folder / _DATA, {"data": _named(data)})


def _data_of(folder: Path) -> Any:
    path = folder / _DATA
    return read_json(path)["data"] if path.is_file() else None


def _named(data: Path | None) -> str | None:
    return None if data is None else str(data.resolve())


def record_head(plan: Plan, source: Source, commit: str) -> dict[str, Any]:
    """The fields that all records of one table on one data set share."""
    return {
        "schema": SCHEMA,
        "table": plan.table.name,
        "study": plan.study.name,
        "profile": plan.profile.name,
        "data_kind": source.kind,
        "data_name": source.name,
        "data_hash": source.prepared.hash,
        "scored_split": source.scored_split,
        "commit": commit,
        "notes": list(source.notes),
    }


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Add one run to the JSON lines; a value that is not finite is refused."""
    if not ends_with_line(path):
        cut = path.read_bytes().rpartition(b"\n")[2]
        cut_file(path, len(cut), path.with_suffix(".cut"))
    append_line(path, json.dumps(record, sort_keys=True, allow_nan=False))


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """The runs in a file of JSON lines, oldest first.

    Raises:
        ArtifactError: a line is not a JSON object; names its line.
    """
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            if number == len(lines) and not text.endswith("\n"):
                # Cut by a kill or a full disk: that run is made again, the others hold.
                print(f"{path}:{number}: the last line is cut and left out", file=sys.stderr)
                return
            raise ArtifactError(f"{path}:{number}: not a JSON line: {error}") from error
        if not isinstance(record, dict):
            raise ArtifactError(f"{path}:{number}: expected a JSON object. Received: {line[:60]}")
        yield record


def is_row(record: Mapping[str, Any]) -> bool:
    """Whether a record is of a row of its table, and not of a baseline beside them."""
    return isinstance(record["row"], int)


def finished_runs(path: Path, data_hash: str) -> set[tuple[Any, Any, Any]]:
    """Row, seed and hash of the configuration of every run in `path` on the data `data_hash`."""
    return {
        (record["row"], record["seed"], record.get("config_hash"))
        for record in read_records(path)
        if record.get("data_hash") == data_hash
    }


def now() -> str:
    """The time of a record, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
