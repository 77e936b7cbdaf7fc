"""Results folders: counted, held by one run, never overwritten, finished on their own data only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kaffect.errors import ConfigError, DatasetError
from kaffect.studies import command
from kaffect.studies.command import open_results
from kaffect.studies.finding import find_trained
from kaffect.studies.plan import Plan
from kaffect.studies.registry import TRAINED
from kaffect.studies.results import finished_runs, results_folder

IX = find_trained("IX")


def test_results_folders_are_counted_and_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = Plan(IX, TRAINED["gan"].profiles["demo"], None, ())
    with open_results(plan, None, False) as first:
        assert first.is_dir() and first.name == "table-IX-demo-synthetic-001"
    with open_results(plan, None, False) as second:
        assert second.name == "table-IX-demo-synthetic-002"
    with open_results(plan, None, True) as held:
        assert held == second
        with pytest.raises(DatasetError, match="is being written by process"):
            with open_results(plan, None, True):
                pass


def test_two_runs_that_start_at_one_moment_have_a_folder_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one makes the folder just before this one does."""
    monkeypatch.chdir(tmp_path)
    plan = Plan(IX, TRAINED["gan"].profiles["demo"], None, ())
    made = []

    def chosen(*arguments: object) -> Path:
        folder = results_folder(*arguments)  # type: ignore[arg-type]
        if not made:
            folder.mkdir(parents=True)
            made.append(folder.name)
        return folder

    monkeypatch.setattr(command, "results_folder", chosen)
    with open_results(plan, None, False) as folder:
        assert made == ["table-IX-demo-synthetic-001"]
        assert folder.name == "table-IX-demo-synthetic-002"


@pytest.mark.parametrize("name", ["table_x.jsonl", "checkpoints/row-01-seed-0/LAST.json"])
def test_an_earlier_run_is_not_overwritten(tmp_path: Path, name: str) -> None:
    """Also where its first row was interrupted and it has no result yet."""
    assert results_folder(tmp_path, "table", resume=False) == tmp_path
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match="holds an earlier run .* add --resume .* another folder"):
        results_folder(tmp_path, "table", resume=False)
    assert results_folder(tmp_path, "table", resume=True) == tmp_path


def test_a_run_is_finished_on_its_own_data_only(tmp_path: Path) -> None:
    records = [
        {"row": 1, "seed": 0, "config_hash": "c", "data_hash": "mine"},
        {"row": 2, "seed": 1, "config_hash": "d", "data_hash": "other"},
        {"row": "constant", "seed": 0, "data_hash": "mine"},
    ]
    path = tmp_path / "table.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert finished_runs(path, "mine") == {(1, 0, "c"), ("constant", 0, None)}
    assert finished_runs(tmp_path / "absent.jsonl", "mine") == set()
