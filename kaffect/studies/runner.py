"""Runs the plan of a table: data, rows, baselines, report, in every study the same (Section V)."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.files import write_json
from kaffect.studies.baselines import baseline_records
from kaffect.studies.clusters import sums_of_answers
from kaffect.studies.experiment import loaded
from kaffect.studies.one_run import CHECKPOINTS, require_one_run
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
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.devices import choose_strategy, on_devices, on_one_device
from kaffect.training.loop import Progress, require_more, train
from kaffect.training.precision import precision_here
from kaffect.training.progress import training_progress
from kaffect.training.runs import RUN, RunDescription, describe, reject_earlier
from kaffect.training.summaries import RunSummaries


def open_source(plan: Plan) -> Source:
    """Prepare (once) and open the data of `plan`; writes nothing but the cache."""
    kind: type[Adapter] = loaded(plan.study.adapter)
    return kind.open_source(plan)


def run(plan: Plan, source: Source, folder: Path, resume: bool) -> None:
    """Train every row of `plan` that has no result yet in `folder`, then write the report.

    Args:
        source: from `open_source`.

    Raises:
        ConfigError: what `folder` holds is of other data or settings.
        KaffectError: a row failed; the others have run, and the report is written.
    """
    started = time.monotonic()
    kind: type[Adapter] = loaded(plan.study.adapter)
    plan = with_precision(plan, precision_here("auto"))
    strategy = choose_strategy() if kind.SEVERAL_DEVICES else tf.distribute.get_strategy()
    where = on_devices(strategy) if kind.SEVERAL_DEVICES else on_one_device()
    table = TableRun(plan, kind(plan, source, folder, strategy), folder, resume)
    table.require_same_runs()
    used = dict.fromkeys(training.config.train.precision for training in plan.jobs())
    print(f"precision {', '.join(used)}; {where}; results in {folder}", flush=True)
    for training in plan.jobs():
        table.run(training)
    if plan.shard is None or plan.shard[0] == 1:
        table.run_baselines()
    for variant in plan.variants:
        report(plan, kind, variant, folder, table.results, table.problems)
    print(f"done in {time.monotonic() - started:.0f} s", flush=True)
    raise_faults(table.problems)


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
        self.done = finished_runs(self.results, self.source.prepared.hash)
        self.problems: list[Problem] = []

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

    def run(self, training: Training) -> None:
        """Train one row unless it has a result; if it fails, keep and print the reason."""
        if (training.number, training.seed, training.config.hash()) in self.done:
            return
        try:
            metrics = self._train(training)
        except RECOVERABLE_ERRORS as error:
            problem = Problem.of(training.number, training.seed, error)
            self.problems.append(problem)
            shown = f"{problem.kind}: {problem.reason}"
        else:
            names = (name for name in self.adapter.SHOWN if metrics.get(name) is not None)
            shown = ", ".join(f"{name} {metrics[name]:.3f}" for name in names)
        print(f"{_title(training)} ({training.row.label}): {shown}", flush=True)

    def _train(self, training: Training) -> dict[str, Any]:
        """Train, score, draw and record one row; its metrics."""
        folder = self._folder(training)
        row = self.adapter.prepare(training, folder)
        changes = {name: str(value) for name, value in training.row.changes.items()}
        settings = {**changes, "seed": training.seed, "variant": training.variant or "-"}
        summaries = RunSummaries(self.folder / "tensorboard" / training.name, settings)
        with contextlib.closing(summaries):
            if self.resume:
                require_more(CheckpointFolder(folder), row.schedule)
            notes = self._notes(training, row)
            description = self._describe(training, row, folder, notes)
            progress = self._fit(training, row, folder, summaries, description)
            started = time.monotonic()
            scored = row.score(progress)
            summaries.scalars(progress.step, scored.split, _numbers(scored.metrics))
            record = self._record(training, row, notes, progress, scored)
            record["clusters"] = self._keep_sums(training, scored)
            row.draw(scored, record, summaries)
            record["scoring_time"] = round(time.monotonic() - started, 2)
        self._finished(description, record, scored).write(folder)
        append_record(self.results, record)
        metrics: dict[str, Any] = record["metrics"]
        return metrics

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

        updates = row.trainer.updates_in_batch
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
                callbacks=[shown],
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

    def _keep_sums(self, training: Training, scored: Scored) -> str:
        """Write the sums that intervals are computed from; the path within the results folder."""
        tasks, cuts = training.config.loss.tasks, np.array(scored.thresholds)
        sums = sums_of_answers(scored.index, scored.answers, tasks, cuts if len(cuts) else HALF)
        name = f"clusters/{training.name}-{training.config.hash()}.json"
        write_json(self.folder / name, sums)
        return name

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
            "precision": training.config.train.precision,
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
