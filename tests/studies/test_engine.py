"""`--engine`, `--address`, `--workers`, `--threads`: mistakes, and how Ray's workers get jobs."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments import run
from kaffect.studies.engine import thread_variables
from kaffect.studies.problems import Problem

SMOKE = ["--table", "X", "--profile", "smoke"]


@pytest.fixture()
def closed_port() -> int:
    """One that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engine", "spark"], "--engine. Expected one of 'local', 'ray'. Received: 'spark'"),
        (["--address", "auto"], "--address: goes with --engine ray"),
        (["--workers", "2"], "--workers: goes with --engine ray"),
        (["--engine", "ray", "--workers", "0"], "--workers. Expected 1 or more. Received: 0"),
        (["--engine", "ray", "--address", "here"], "--address. Expected auto, HOST:PORT or"),
        (["--engine", "ray", "--address", "127.0.0.1:{}"], "no Ray cluster answers there"),
        (["--engine", "ray", "--address", "ray://127.0.0.1:{}"], "no Ray cluster answers there"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    arguments: list[str],
    said: str,
    closed_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kaffect.studies.engine.require_ray", lambda: None)
    assert run.main([*SMOKE, *(part.format(closed_port) for part in arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_without_ray_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run.main([*SMOKE, "--engine", "ray", "--dry-run"]) == 2
    assert "pip install 'kaffect[ray]'" in capsys.readouterr().err


def test_threads_are_those_of_tensorflow() -> None:
    assert thread_variables(3)["TF_NUM_INTRAOP_THREADS"] == "3"


class FakeRay:
    """Workers that end jobs in the order in which they were begun; some die.

    Attributes:
        begun: (name of the job, whether it was resumed).
        together: the names that ran at one time.
    """

    def __init__(self, names: list[str], dying: dict[str, int]) -> None:
        self.names, self.dying = names, dict(dying)
        self.begun: list[tuple[str, bool]] = []
        self.together: list[set[str]] = []

    def remote(self, **options: Any) -> Any:
        return lambda function: SimpleNamespace(remote=self.begin)

    def begin(self, task: Any) -> int:
        self.begun.append((self.names[task.number], task.resume))
        return len(self.begun) - 1

    def wait(self, references: list[int], num_returns: int) -> tuple[list[int], list[int]]:
        self.together.append({self.begun[r][0] for r in references})
        return [min(references)], []

    def get(self, reference: int) -> Any:
        from ray.exceptions import WorkerCrashedError

        from kaffect.studies.ray_engine import Answer
        from kaffect.studies.runner import Outcome

        name = self.begun[reference][0]
        if self.dying.get(name, 0):
            self.dying[name] -= 1
            raise WorkerCrashedError()
        return Answer(Outcome(record={"job": name}))


class FakeTable:
    """Three rows with two seeds; those of a seed share a CNN."""

    def __init__(self, folder: Path) -> None:
        names = [(row, seed) for seed in (0, 1) for row in (1, 2, 3)]
        self.jobs = [
            SimpleNamespace(name=f"row-{row}-seed-{seed}", number=row, seed=seed)
            for row, seed in names
        ]
        self.plan = SimpleNamespace(trainings=lambda: iter(self.jobs))
        self.adapter = SimpleNamespace(shared_work=lambda training: f"seed {training.seed}")
        self.folder, self.resume = folder, False
        self.taken: dict[str, Any] = {}

    def take(self, training: Any, outcome: Any) -> None:
        assert training.name not in self.taken
        self.taken[training.name] = outcome


def dispatched(
    monkeypatch: pytest.MonkeyPatch, folder: Path, dying: dict[str, int]
) -> tuple[Any, FakeTable]:
    pytest.importorskip("ray")
    from kaffect.studies import ray_engine

    table = FakeTable(folder)
    fake = FakeRay([job.name for job in table.jobs], dying)
    monkeypatch.setattr(ray_engine, "ray", fake)
    ray_engine.Dispatch(table, list(table.jobs), slots=2, threads=1).run()  # type: ignore[arg-type]
    return fake, table


def test_each_cnn_is_begun_by_one_job_and_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake, table = dispatched(monkeypatch, tmp_path, {})
    assert [name for name, _ in fake.begun[:2]] == ["row-1-seed-0", "row-1-seed-1"]
    assert len(table.taken) == 6 and max(map(len, fake.together)) == 2
    assert len(list((tmp_path / "jobs").glob("*.json"))) == 6, "of workers with other disks too"
    first = {"row-1-seed-0", "row-1-seed-1"}
    for names in fake.together:
        # Nobody works beside the job that makes its CNN.
        for name in names & first:
            assert not {other for other in names - {name} if other[-1] == name[-1]}


def test_a_worker_that_dies_costs_only_its_own_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake, table = dispatched(monkeypatch, tmp_path, {"row-2-seed-0": 1, "row-3-seed-1": 2})
    tries = [resumed for name, resumed in fake.begun if name == "row-2-seed-0"]
    assert tries == [False, True], "it goes on from its checkpoint"
    assert {name for name, outcome in table.taken.items() if outcome.problem} == {"row-3-seed-1"}
    problem: Problem = table.taken["row-3-seed-1"].problem
    assert problem.fault and "died 2 times" in problem.reason
    assert len(table.taken) == 6
