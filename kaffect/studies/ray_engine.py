"""The jobs of a table as tasks of Ray Core, on this machine or on a cluster (Section V).

A worker process is reused: it keeps the table's data open and its networks compiled from one job
to the next. Rows that share a CNN wait until one of them has made it, so that it is made once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from kaffect.errors import ConfigError, KaffectError
from kaffect.files import home, write_json
from kaffect.processor import processors
from kaffect.studies.engine import Engine, thread_variables
from kaffect.studies.jobs import finish, job_file
from kaffect.studies.plan import Plan, Training
from kaffect.studies.problems import Problem
from kaffect.studies.runner import Outcome, TableRun, open_source

# A job whose worker died is begun again, from its newest checkpoint, so many times.
RETRIES = 1
_OBJECT_STORE = 200 * 2**20  # bytes; jobs send records, not data
_INHERITED = ("KAFFECT_PRECISION", "TF_CPP_MIN_LOG_LEVEL", "TF_DETERMINISTIC_OPS")


@dataclass(frozen=True)
class Task:
    """One job as a worker receives it.

    Attributes:
        plan: with its precision decided; number: of the training in `plan.trainings()`.
        folder: of the results, absolute.
    """

    plan: Plan
    number: int
    folder: Path
    resume: bool


def run_jobs(table: TableRun, jobs: Sequence[Training], engine: Engine) -> None:
    """Train `jobs` on Ray's workers; merge each result as it comes.

    Raises:
        ConfigError: no cluster answers, or it has too few processors for one job.
        KaffectError: of a job, where it concerns the whole table.
    """
    threads = engine.threads or 1
    with connected(engine, threads):
        most = int(ray.cluster_resources().get("CPU", 0)) // threads
        if most < 1:
            raise ConfigError(f"--threads {threads}: no machine of the Ray cluster has as many")
        slots = min(engine.workers or most, most)
        print(f"Ray: {slots} jobs at a time, {threads} threads each", flush=True)
        Dispatch(table, list(jobs), slots, threads).run()


@contextmanager
def connected(engine: Engine, threads: int) -> Iterator[None]:
    """A connection to the cluster of `engine`, or to a Ray of this machine alone."""
    variables = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    variables |= {"KAFFECT_HOME": str(home().resolve()), **thread_variables(threads)}
    options: dict[str, Any] = {
        "runtime_env": {"env_vars": variables},
        "log_to_driver": False,
        "logging_level": "error",
    }
    if engine.address is None:
        workers = engine.workers or max(1, processors() // threads)
        options |= {
            "address": "local",
            "num_cpus": workers * threads,
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE,
        }
    else:
        options["address"] = engine.address
    try:
        ray.init(**options)
    except (ConnectionError, RayError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"--address {engine.address}: no Ray cluster: {said}") from error
    try:
        yield
    finally:
        ray.shutdown()


class Dispatch:
    """Hands the jobs of a table to workers, as many at a time as there are slots."""

    def __init__(self, table: TableRun, jobs: list[Training], slots: int, threads: int) -> None:
        self.table, self.waiting, self.slots = table, jobs, slots
        self.numbers = {t.name: n for n, t in enumerate(table.plan.trainings())}
        self.running: dict[ray.ObjectRef, Training] = {}
        self.made: set[str] = set()
        self.deaths: dict[str, int] = {}
        self.task = ray.remote(num_cpus=threads, max_retries=0)(work)

    def run(self) -> None:
        """Until every job has a result or a problem."""
        while self.waiting or self.running:
            while len(self.running) < self.slots and self._start():
                pass
            (reference,), _ = ray.wait(list(self.running), num_returns=1)
            training = self.running.pop(reference)
            self._take(training, reference)

    def _start(self) -> bool:
        """Begin the next job that can be; whether there was one.

        A CNN that nobody has begun goes first: it is the longest part, and others wait for it.
        """
        shared = self.table.adapter.shared_work
        begun = self.made | {shared(training) for training in self.running.values()}
        new = [training for training in self.waiting if shared(training) not in begun]
        ready = [training for training in self.waiting if shared(training) in self.made]
        training = next(iter((*new, *ready)), None)
        if training is None:
            return False
        self.waiting.remove(training)
        resume = self.table.resume or training.name in self.deaths
        number, folder = self.numbers[training.name], self.table.folder.resolve()
        task = Task(self.table.plan, number, folder, resume)
        self.running[self.task.remote(task)] = training
        return True

    def _take(self, training: Training, reference: ray.ObjectRef) -> None:
        try:
            answer: Answer = ray.get(reference)
        except RayTaskError:
            raise  # a fault of ours, with its traceback
        except RayError as error:
            self._died(training, error)
            return
        if answer.error is not None:
            raise answer.error
        self.made.add(self.table.adapter.shared_work(training))
        self._keep(training, answer.outcome)
        self.table.take(training, answer.outcome)

    def _keep(self, training: Training, outcome: Outcome) -> None:
        """Write what a worker of another machine left on its own disk."""
        folder = self.table.folder
        for name, contents in outcome.files.items():
            if not (folder / name).is_file():
                write_json(folder / name, contents)
        if outcome.record is not None and not job_file(folder, training, outcome.record).is_file():
            finish(folder, training, outcome.record)

    def _died(self, training: Training, error: RayError) -> None:
        count = self.deaths[training.name] = self.deaths.get(training.name, 0) + 1
        if count <= RETRIES:
            print(f"{training.name}: its worker died; it goes on in another", flush=True)
            self.waiting.insert(0, training)
            return
        reason = f"its worker died {count} times ({type(error).__name__})"
        problem = Problem(training.number, training.seed, "failed", reason, True)
        self.table.take(training, Outcome(problem=problem))


@dataclass(frozen=True)
class Answer:
    """What a worker sends back: an outcome, or an error that concerns the whole table."""

    outcome: Outcome = field(default_factory=Outcome)
    error: KaffectError | None = None


# In a worker process: the table that it works on, with its data and compiled networks.
_open_tables: dict[str, TableRun] = {}


def work(task: Task) -> Answer:
    """Train one job, in a worker process."""
    try:
        table = _table_of(task)
        training = list(task.plan.trainings())[task.number]
        table.resume = task.resume
        return Answer(table.outcome(training))
    except KaffectError as error:
        return Answer(error=KaffectError(str(error)))


def _table_of(task: Task) -> TableRun:
    key = repr((task.plan, task.folder))
    if key not in _open_tables:
        _open_tables.clear()
        _open_tables[key] = TableRun.open(
            task.plan, open_source(task.plan), task.folder, task.resume
        )
    return _open_tables[key]
