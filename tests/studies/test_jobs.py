"""Finished files of jobs: merged into the JSON lines once, also after a kill."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kaffect.errors import ArtifactError
from kaffect.studies.finding import find_trained
from kaffect.studies.jobs import all_records, finish, finished, job_hash, merge, unmerged
from kaffect.studies.plan import Plan, Training
from kaffect.studies.registry import TRAINED
from kaffect.studies.results import append_record, results_file, results_folder


@pytest.fixture()
def trainings() -> list[Training]:
    table = find_trained("X")
    profile = TRAINED[table.study].profiles["smoke"]
    rows = tuple(enumerate(table.rows, start=1))[:2]
    return list(Plan(table, profile, None, rows, seeds=(0, 1)).trainings())


def record(training: Training) -> dict:
    job = job_hash(training, "X", "data")
    return {"table": "X", "row": training.number, "seed": training.seed, "job": job}


def test_each_job_has_a_hash_of_its_own(trainings: list[Training]) -> None:
    hashes = {job_hash(t, table, data) for t in trainings for table in "XY" for data in "ab"}
    assert len(hashes) == 16
    again = replace(trainings[0])
    assert job_hash(again, "X", "a") == job_hash(trainings[0], "X", "a")
    longer = replace(again, config=again.config.changed({"train.epochs": 99}))
    assert job_hash(longer, "X", "a") not in hashes


def test_what_a_kill_left_unmerged_is_merged_once(
    trainings: list[Training], tmp_path: Path
) -> None:
    for training in trainings:
        finish(tmp_path, training, record(training))
    # The driver had merged the first one when it was killed.
    append_record(results_file(tmp_path, "X"), record(trainings[0]))
    assert [r["job"] for r in unmerged(tmp_path, "X")] != []
    assert len(all_records(tmp_path, "X")) == 4
    merge(tmp_path, "X")
    merge(tmp_path, "X")
    lines = [json.loads(line) for line in results_file(tmp_path, "X").read_text().splitlines()]
    assert sorted((r["row"], r["seed"]) for r in lines) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert not unmerged(tmp_path, "X") and not list(finished(tmp_path, "XI"))


def test_a_damaged_finished_file_is_named(trainings: list[Training], tmp_path: Path) -> None:
    path = finish(tmp_path, trainings[0], record(trainings[0]))
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    with pytest.raises(ArtifactError, match=f"{path.name}: damaged"):
        merge(tmp_path, "X")
    path.write_text("[1]")
    with pytest.raises(ArtifactError, match="the record of a finished job"):
        merge(tmp_path, "X")
    assert not results_file(tmp_path, "X").exists()


def test_a_folder_with_finished_jobs_alone_is_not_written_over(
    trainings: list[Training], tmp_path: Path
) -> None:
    finish(tmp_path, trainings[0], record(trainings[0]))
    with pytest.raises(Exception, match="add --resume"):
        results_folder(tmp_path, "any", resume=False)
