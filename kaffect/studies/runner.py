"""Runs the plan of a table: data, rows, baselines, report, in every study the same (Section V)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.files import write_json
from kaffect.studies.baselines import baseline_records
from kaffect.studies.calibration import ERRORS, calibration_of
from kaffect.studies.clusters import sums_of_answers
from kaffect.studies.details import details_of
from kaffect.studies.engine import LOCAL, Engine
from kaffect.studies.environment import environment
from kaffect.studies.experiment import loaded
from kaffect.studies.jobs import finish, job_hash, merge
from kaffect.studies.one_run import CHECKPOINTS, require_one_run
from kaffect.studies.pictures import picture_precision_recall
from kaffect.studies.plan import Plan, Training, with_precision
from kaffect.studies.problems import RECOVERABLE_ERRORS, Problem, raise_faults
from kaffect.studies.reporting import report
from kaffect.studies.results import (
    append_record,
    commit,
    finished_runs,
    now,
    record_head,
    results_file,
)
from kaffect.studies.row import Adapter, Record, RowTraining, Scored
from kaffect.studies.scoring import HALF
from kaffect.studies.sources import Source
from kaffect.studies.split_facts import data_facts, facts_file, require_apart
from kaffect.studies.starting import begin
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.devices import choose_strategy, on_devices, on_one_device
from kaffect.training.loop import Progress, require_more, train
from kaffect.training.precision import precision_here
from kaffect.training.profiling import StepProfile
from kaffect.training.progress import training_progress
from kaffect.training.runs import RUN, RunDescription, describe, reject_earlier
from kaffect.training.summaries import RunSummaries, state_hparams

TENSORBOARD = "tensorboard"


def open_source(plan: Plan) -> Source:
    """Prepare (once) and open the data of `plan`; writes nothing but the cache."""
    kind: type[Adapter] = loaded(plan.study.adapter)
    return kind.open_source(plan)


def run(plan: Plan, source: Source, folder: Path, resume: bool, engine: Engine = LOCAL) -> None:
    """Train every row of `plan` that has no result yet in `folder`, then write the report.

    Args:
        source: from `open_source`.
        engine: where the rows are trained.

    Raises:
        ConfigError: what `folder` holds is of other data or settings.
        KaffectError: a row failed; the others have run, and the report is written.
    """
    started = time.monotonic()
    table = TableRun.open(plan, source, folder, resume)
    plan, kind = table.plan, type(table.adapter)
    table.require_same_runs()
    table.state_data()
    table.state_hparams()
    merge(folder, plan.table.name)
    used = dict.fromkeys(training.config.train.precision for training in plan.jobs())
    print(f"precision {', '.join(used)}; {table.where}; results in {folder}", flush=True)
    _run_jobs(table, engine)
    if plan.shard is None or plan.shard[0] == 1:
        table.run_baselines()
    for variant in plan.variants:
        report(plan, kind, variant, folder, table.results, table.problems)
    print(f"done in {time.monotonic() - started:.0f} s", flush=True)
    raise_faults(table.problems)


def hparams_of(training: Training) -> dict[str, str]:
    """What tells a run of a table from the others, as text: TensorBoard shows 1 as 1.0000."""
    changes = {name: str(value) for name, value in training.row.changes.items()}
    variant = {"variant": training.variant} if training.variant else {}
    return {"row": f"{training.number:02d}", "seed": str(training.seed), **variant, **changes}


def _run_jobs(table: TableRun, engine: Engine) -> None:
    """Train what has no result yet, here or where `engine` says."""
    jobs = table.missing()
    if engine.name != "local" and jobs:
        loaded(engine.run)(table, jobs, engine)
        return
    for training in jobs:
        table.take(training, table.outcome(training))


@dataclass(frozen=True)
class Outcome:
    """What a job ended with.

    Attributes:
        record: the row's result, with its `job`; None where there is a problem.
        files: what the record names, by its path in the results folder: sums for intervals,
            and what the report draws.
    """

    record: Record | None = None
    files: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = None


class TableRun:
    """One table on one data set, in one results folder.

    Attributes:
        problems: rows that have no result, and why.
    """

    def __init__(self, plan: Plan, adapter: Adapter, folder: Path, resume: bool) -> None:
        self.plan, self.adapter, self.folder, self.resume = plan, adapter, folder, resume
        self.source = adapter.source
        self.commit = commit()
        self.results = results_file(folder, plan.table.name)
        self.problems: list[Problem] = []

    @classmethod
    def open(cls, plan: Plan, source: Source, folder: Path, resume: bool) -> TableRun:
        """The table of `plan` on the data of `open_source`, with its precision decided."""
        kind: type[Adapter] = loaded(plan.study.adapter)
        plan = with_precision(plan, plan.precision or precision_here("auto"))
        strategy = choose_strategy() if kind.SEVERAL_DEVICES else tf.distribute.get_strategy()
        return cls(plan, kind(plan, source, folder, strategy), folder, resume)

    @property
    def where(self) -> str:
        """The devices, in words."""
        several = self.adapter.SEVERAL_DEVICES
        return on_devices(self.adapter.strategy) if several else on_one_device()

    def state_hparams(self) -> None:
        """Say what TensorBoard's HParams compare: rows and seeds, by scores of the scored split."""
        settings: dict[str, list[str]] = {}
        for training in self.plan.trainings():
            for name, value in hparams_of(training).items():
                values = settings.setdefault(name, [])
                values += [value] * (value not in values)
        metrics = [f"{self.source.scored_split}/{name}" for name in self.adapter.SHOWN]
        state_hparams(self.folder / TENSORBOARD, settings, metrics)

    def state_data(self) -> None:
        """Write what the report says of the data into the results folder.

        Raises:
            DatasetError: a person is in two of the sets.
        """
        facts = data_facts(self.source)
        require_apart(facts)
        write_json(self.folder / facts_file(facts["hash"]), facts)

    @property
    def done(self) -> set[tuple[Any, Any, Any]]:
        """What has its result in the folder."""
        return finished_runs(self.results, self.source.prepared.hash)

    def missing(self) -> list[Training]:
        """The jobs of the plan without a result."""
        done = self.done
        return [
            training
            for training in self.plan.jobs()
            if (training.number, training.seed, training.config.hash()) not in done
        ]

    def require_same_runs(self) -> None:
        """Reject runs that cannot be resumed, before any row is trained.

        Raises:
            ConfigError: a run there, of these rows or others, has other settings, data or
                precision.
            ArtifactError: a run there is of an earlier version.
        """
        if self.resume:
            for training in self.plan.jobs():
                reject_earlier(self._folder(training))
                identity = self.source.identity(training.config)
                free = self.adapter.free(training)
                CheckpointFolder(self._folder(training)).require_same(identity, free=free)
            data = self.source.prepared.hash
            require_one_run(self.plan, self.folder, data, self.source.identity)

    def _folder(self, training: Training) -> Path:
        return self.folder / CHECKPOINTS / training.name

    def outcome(self, training: Training) -> Outcome:
        """Train one row and leave its finished file, or say why it has no result."""
        try:
            return self._train(training)
        except RECOVERABLE_ERRORS as error:
            return Outcome(problem=Problem.of(training.number, training.seed, error))

    def take(self, training: Training, outcome: Outcome) -> None:
        """Merge a job's result into the JSON lines, or keep why there is none; tell either."""
        if outcome.problem is not None:
            self.problems.append(outcome.problem)
            shown = f"{outcome.problem.kind}: {outcome.problem.reason}"
        else:
            record = outcome.record or {}
            append_record(self.results, record)
            metrics = record["metrics"]
            names = (name for name in self.adapter.SHOWN if metrics.get(name) is not None)
            shown = ", ".join(f"{name} {metrics[name]:.3f}" for name in names)
        print(f"{_title(training)} ({training.row.label}): {shown}", flush=True)

    def _train(self, training: Training) -> Outcome:
        """Train, score, draw and record one row."""
        folder = self._folder(training)
        row = self.adapter.prepare(training, folder)
        start = begin(row, training.config.start)
        summaries = RunSummaries(self.folder / TENSORBOARD / training.name, hparams_of(training))
        with contextlib.closing(summaries):
            if self.resume:
                require_more(CheckpointFolder(folder), row.schedule)
            notes = [*self._notes(training, row), *start.get("notes", ())]
            description = self._describe(training, row, folder, notes)
            progress = self._fit(training, row, folder, summaries, description)
            started = time.monotonic()
            scored = row.score(progress)
            summaries.scalars(progress.step, scored.split, _numbers(scored.metrics))
            record = self._record(training, row, notes, progress, scored)
            files = self._keep(training, scored, record)
            record |= start.get("record", {})
            what = scored.index, scored.answers, training.config.loss.tasks
            picture_precision_recall(summaries, progress.step, *what)
            row.draw(scored, record, summaries)
            record["scoring_time"] = round(time.monotonic() - started, 2)
        self._finished(description, record, scored).write(folder)
        finish(self.folder, training, record)
        return Outcome(record, files)

    def _fit(
        self,
        training: Training,
        row: RowTraining,
        folder: Path,
        summaries: RunSummaries,
        description: RunDescription,
    ) -> Progress:
        checkpoints = CheckpointFolder(folder)
        done = (checkpoints.last() or 0) if self.resume else 0
        meter = Meter(row.frames_per_step * row.schedule.evaluate_every)

        def on_validation(entry: dict[str, Any]) -> None:
            row.after_validation(entry, summaries)
            for group in ("train", "validation"):
                summaries.scalars(entry["step"], group, entry[group])
            summaries.scalars(entry["step"], "speed", {"frames_per_second": meter.rate()})
            summaries.scalars(entry["step"], "optimizer", row.learning_rates())
            shown.validated(entry)
            if not (folder / RUN).exists():
                description.write(folder)

        updates, profile = row.trainer.updates_in_batch, []
        if self.plan.profile_steps:
            events = self.folder / TENSORBOARD / training.name
            profile.append(StepProfile(events, self.plan.profile_steps, updates))
        what = _title(training, len(self.plan.table.rows))
        with training_progress(row.schedule.steps, what, initial=done, updates=updates) as shown:
            return train(
                row.trainer,
                row.batches,
                row.validate,
                row.schedule,
                checkpoints,
                identity=self.source.identity(training.config),
                free=self.adapter.free(training),
                resume=self.resume,
                restore_best=row.restore_best,
                callbacks=[shown, *profile],
                before=row.before,
                on_validation=on_validation,
                on_resume=row.resumed,
            )

    def _describe(
        self, training: Training, row: RowTraining, folder: Path, notes: list[str]
    ) -> RunDescription:
        """The description that export, evaluation and prediction read, before it has scores."""
        return describe(
            training.config,
            self.source.prepared,
            self.source.described,
            notes=tuple(notes),
            encoder=row.encoder and os.path.relpath(row.encoder, folder),
            profile=self.plan.profile.name,
            commit=self.commit,
        )

    def _finished(
        self, description: RunDescription, record: Record, scored: Scored
    ) -> RunDescription:
        units = description.label_space.action_units
        return replace(
            description,
            metrics={"validation": record["validation"], scored.split: record["metrics"]},
            thresholds=dict(zip(units, scored.thresholds)),
            notes=tuple(record["notes"]),
        )

    def _keep(self, training: Training, scored: Scored, record: Record) -> dict[str, Any]:
        """Write what intervals and pictures of the report need; path -> contents."""
        tasks, cuts = training.config.loss.tasks, np.array(scored.thresholds)
        what = scored.index, scored.answers, tasks, cuts if len(cuts) else HALF
        name = f"{training.name}-{training.config.hash()}.json"
        found = {"clusters": sums_of_answers(*what), "details": details_of(*what)}
        if "expression" in found["details"] and scored.validation is not None:
            calibrated = calibration_of(*what[:2], *scored.validation)
            found["details"]["calibration"] = calibrated
            record["calibration"] = {k: calibrated[k] for k in ("temperature", *ERRORS)}
        files = {}
        for kind, contents in found.items():
            record[kind] = f"{kind}/{name}"
            files[record[kind]] = contents
            write_json(self.folder / record[kind], contents)
        return files

    def _notes(self, training: Training, row: RowTraining) -> list[str]:
        notes = [*self.adapter.notes(training.variant), *self.plan.notes(training.variant)]
        return [*notes, *self.source.notes, *([f"CNN: {row.origin}"] if row.origin else [])]

    def _record(
        self,
        training: Training,
        row: RowTraining,
        notes: list[str],
        progress: Progress,
        scored: Scored,
    ) -> Record:
        frames = progress.step * row.frames_per_step
        extra = dict(scored.extra)
        return {
            **record_head(self.plan, self.source, self.commit),
            "notes": [*notes, *extra.pop("notes", ())],
            "variant": training.variant,
            "row": training.number,
            "label": training.row.label,
            "short": training.row.short,
            "seed": training.seed,
            "job": job_hash(training, self.plan.table.name, self.source.prepared.hash),
            "precision": training.config.train.precision,
            "environment": environment(),
            "config": training.config.to_dict(),
            "config_hash": training.config.hash(),
            "settings_hash": training.settings_hash,
            "metrics": _numbers(scored.metrics),
            "scored_split": scored.split,
            "logit_thresholds": list(scored.thresholds),
            "validation": progress.best["validation"],
            "history": progress.history,
            "best_step": progress.best_step,
            "steps": progress.step,
            "frames_seen": frames,
            "wall_time": round(progress.seconds, 2),
            "frames_per_second": round(frames / max(progress.seconds, 1e-9), 1),
            "folder": f"{CHECKPOINTS}/{training.name}",
            "time": now(),
            **extra,
        }

    def run_baselines(self) -> None:
        """Record the baselines, once for each data set."""
        present = {row for row, _, _ in self.done}
        head = {**record_head(self.plan, self.source, self.commit), "variant": ""}
        kinds = self.plan.thresholds
        for record in baseline_records(self.source, self.adapter.UNITS, present, kinds):
            append_record(self.results, {**head, **record, "time": now()})


class Meter:
    """Frames per second between two calls of `rate`, validation included."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.last = time.monotonic()

    def rate(self) -> float:
        now = time.monotonic()
        passed, self.last = now - self.last, now
        return self.frames / max(passed, 1e-9)


def _title(training: Training, rows: int | None = None) -> str:
    variant = f"{training.variant}, " if training.variant else ""
    number = f"{training.number:2d}" if rows is None else f"{training.number}/{rows}"
    return f"{variant}row {number}, seed {training.seed}"


def _numbers(metrics: Any) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if value is not None}
