"""Where results go: one folder for each run of the command, one JSON line for each trained row.

Serves the researcher: nothing of an earlier run is overwritten, and a line
holds everything that decides its numbers.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaffect.appending import append_line
from kaffect.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from experiments.sources import Source

# Of a record; raised when a field changes its meaning.
SCHEMA = 1

ROOT = Path(__file__).resolve().parent.parent
# Results, and checkpoints of a row that was interrupted before it had any.
_EARLIER = ("*.jsonl", "checkpoints/*/LAST.json", "gans/*/LAST.json")


def commit() -> str:
    """The commit of this checkout, with '+changes' where files differ from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "-s") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def results_folder(out: Path | None, name: str, resume: bool) -> Path:
    """The folder of this run: `out`, or the next (with `resume` the last) of `runs/<name>-NNN`.

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
    if resume and earlier:
        return earlier[-1]
    number = int(earlier[-1].name[-3:]) + 1 if earlier else 1
    return Path("runs") / f"{name}-{number:03d}"


def record_head(
    table: str, profile: str, source: Source, notes: Iterable[str] = ()
) -> dict[str, Any]:
    """What every record of one table on one data set has in common.

    Args:
        table, profile: their names; source: the data; notes: stand above those of the data.
    """
    return {
        "schema": SCHEMA,
        "table": table,
        "profile": profile,
        "data_kind": source.kind,
        "data_name": source.name,
        "data_hash": source.prepared.hash,
        "scored_split": source.scored_split,
        "commit": commit(),
        "notes": [*notes, *source.notes],
    }


def append_record(path: Path, record: dict[str, Any]) -> None:
    """Add one run to the JSON lines; a value that is not finite is refused."""
    append_line(path, json.dumps(record, sort_keys=True, allow_nan=False))


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """The runs in a file of JSON lines, oldest first.

    Raises:
        ArtifactError: a line is not a JSON object; names its line.
    """
    if not path.exists():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ArtifactError(f"{path}:{number}: not a JSON line: {error}") from error
        if not isinstance(record, dict):
            raise ArtifactError(f"{path}:{number}: expected a JSON object. Received: {line[:60]}")
        yield record


def finished_runs(path: Path, data_hash: str) -> set[tuple[Any, Any, Any]]:
    """Row, seed and hash of the configuration of every run in `path` on the data `data_hash`."""
    return {
        (record["row"], record["seed"], record.get("config_hash"))
        for record in read_records(path)
        if record.get("data_hash") == data_hash
    }


def run_name(row: int, seed: int) -> str:
    """Folder of a row's checkpoints, pictures and TensorBoard events."""
    return f"row-{row:02d}-seed-{seed}"


def now() -> str:
    """The time of a record, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
