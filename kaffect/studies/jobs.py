"""Jobs of a table: a row with one seed, and the file that says it is finished (Section V).

Serves the researcher whose table is made on several machines or in several processes: each job
leaves a file of its own, and whoever holds the results folder merges them into its JSON lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kaffect.errors import ArtifactError, expected_received
from kaffect.files import read_json, stable_hash, write_json
from kaffect.studies.plan import Training
from kaffect.studies.results import append_record, read_records, results_file

JOBS = "jobs"

Record = dict[str, Any]


def job_hash(training: Training, table: str, data_hash: str) -> str:
    """A hash of all that decides a job's numbers: table, row, settings with the seed, data."""
    settings = training.config.without_later(training.config.to_dict())
    return stable_hash([table, training.variant, training.number, settings, data_hash])


def job_file(folder: Path, training: Training, record: Record) -> Path:
    """The finished file of a job."""
    return folder / JOBS / f"{training.name}-{record['job']}.json"


def finish(folder: Path, training: Training, record: Record) -> Path:
    """Write the finished file of a job into the results folder; its path.

    Args:
        record: the result, with its `job`.
    """
    path = job_file(folder, training, record)
    write_json(path, record, sealed=True)
    return path


def finished(folder: Path, table: str) -> Iterator[Record]:
    """The records of the finished jobs of a table in a results folder; errors as of the next."""
    return (record for record in finished_tables(folder) if record["table"] == table)


def finished_tables(folder: Path) -> Iterator[Record]:
    """The records of the finished jobs of all tables in a results folder.

    Raises:
        ArtifactError: a file is damaged, or none of a job.
    """
    for path in sorted((folder / JOBS).glob("*.json")):
        record = read_json(path)
        if not isinstance(record, dict) or "job" not in record or "table" not in record:
            accepted = "the record of a finished job"
            raise ArtifactError(expected_received(str(path), accepted, f"{record!r:.60}"))
        yield record


def unmerged(folder: Path, table: str) -> list[Record]:
    """The finished jobs that have no JSON line yet, as after a kill."""
    lines = {record.get("job") for record in read_records(results_file(folder, table))}
    return [record for record in finished(folder, table) if record["job"] not in lines]


def merge(folder: Path, table: str) -> None:
    """Give every finished job of a table its JSON line."""
    for record in unmerged(folder, table):
        append_record(results_file(folder, table), record)


def all_records(folder: Path, table: str) -> list[Record]:
    """Every result of a table in a folder: its JSON lines, and jobs that have none yet."""
    return [*read_records(results_file(folder, table)), *unmerged(folder, table)]
