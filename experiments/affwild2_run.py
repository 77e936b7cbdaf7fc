"""Runs the plan of a table of the second study: data, rows, baselines, report."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from experiments.affwild2 import STILLS_SUFFIX, FramePlan
from experiments.affwild2_definitions import FrameRow
from experiments.affwild2_pictures import draw_run
from experiments.affwild2_problems import OF_ONE_ROW, Problem, raise_faults
from experiments.affwild2_report import baselines, report
from experiments.affwild2_row import FrameRun, run_row
from experiments.profiles import Profile
from experiments.results import append_record, finished_runs, now, record_head, run_name
from experiments.sources import Source, open_source
from kaffect.config import ModelConfig, PretrainConfig
from kaffect.data.annotations.submissions import write_submission
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import PreparedData
from kaffect.data.prepared.stills import StillSet, read_stills
from kaffect.evaluation.still_predictions import write_still_predictions
from kaffect.evaluation.submission import submissions
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.devices import choose_strategy, on_devices
from kaffect.training.frame_runs import describe_frame_run
from kaffect.training.frames_config import FrameConfig
from kaffect.training.precision import precision_here
from kaffect.training.summaries import RunSummaries

SHOWN = ("p_va", "p_expr", "p_au", "p_mtl", "accuracy")


def run(plan: FramePlan, folder: Path, resume: bool) -> None:
    """Train every row of `plan` that has no result yet in `folder`, then write the report.

    Raises:
        KaffectError: a row failed; the others have run, and the report is written.
    """
    started = time.monotonic()
    source = open_frames(plan)
    plan = with_precision(plan)
    strategy = choose_strategy()
    table = FrameTableRun(plan, source, folder, resume, strategy)
    table.require_same_runs()
    used = dict.fromkeys(config.train.precision for _, _, config in plan.configurations())
    print(f"precision {', '.join(used)}; {on_devices(strategy)}; results in {folder}", flush=True)
    for number, row, config in plan.configurations():
        table.run(number, row, config)
    table.run_baselines()
    report(plan, folder, table.results, table.problems)
    print(f"done in {time.monotonic() - started:.0f} s", flush=True)
    raise_faults(table.problems)


def with_precision(plan: FramePlan) -> FramePlan:
    """`plan` with what "auto" means on this machine, under the rows' own precisions."""
    changes = {**plan.profile.changes, "train.precision": precision_here("auto")}
    return dataclasses.replace(plan, profile=dataclasses.replace(plan.profile, changes=changes))


def open_frames(plan: FramePlan) -> Source:
    """Prepare (once) and open the data: a tree, the embedded data, or a list of stills.

    Raises:
        DatasetError, AnnotationError, VideoError: the data cannot be used; says why.
    """
    if plan.data is None or plan.data.suffix.lower() != STILLS_SUFFIX:
        sizes = Profile(
            plan.profile.name, ModelConfig(), PretrainConfig(), 1, 1, 0,
            synthetic=dict(plan.profile.synthetic),
        )  # fmt: skip
        source = open_source(plan.data, sizes, "all", plan.image_size, plan.tree, plan.tasks)
        if plan.data is None:
            source = Source(**{**vars(source), "name": "synthetic Aff-Wild2"})
        return source
    print(f"preparing {plan.data}", flush=True)
    prepared = PreparedData.open(prepare_stills(plan.data, image_size=plan.image_size))
    scored = "test" if "test" in prepared.splits else "validation"
    notes = tuple(prepared.missing)
    if scored != "test":
        notes += ("no test pictures in the list: scores are of those that chose the checkpoint",)
    return Source(plan.data.stem, "real", prepared, "all", scored, notes)


@dataclass
class FrameTableRun:
    """One table on one data set, in one results folder."""

    plan: FramePlan
    source: Source
    folder: Path
    resume: bool
    strategy: tf.distribute.Strategy
    shared: dict[str, Any] = field(init=False)
    done: set[tuple[Any, Any, Any]] = field(init=False)
    stills: StillSet | None = field(init=False)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        data, prepared = self.plan.data, self.source.prepared
        listed = data is not None and data.suffix.lower() == STILLS_SUFFIX
        # Now, because the list may change while the rows are trained.
        self.stills = read_stills(data) if data is not None and listed else None
        self.done = finished_runs(self.results, prepared.hash)
        self.shared = record_head(
            self.plan.table.name, self.plan.profile.name, self.source, self.plan.notes
        )
        self.shared["notes"] += self._overridden()
        if self.source.predicted_only:
            self.shared["notes"] += ["predictions for the test set are in the folder submissions"]

    def _overridden(self) -> list[str]:
        given = ", ".join(f"{k}={v}" for k, v in self.plan.overrides.items())
        return [f"set on the command line: {given}"] if given else []

    @property
    def results(self) -> Path:
        return self.folder / f"table_{self.plan.table.name.lower()}.jsonl"

    def require_same_runs(self) -> None:
        """Raise `ConfigError` where a run to go on with has other settings, data or precision."""
        if self.resume:
            for number, _, config in self.plan.configurations():
                folder = self.folder / "checkpoints" / run_name(number, config.train.seed)
                identity = self.source.identity(config.to_dict())
                CheckpointFolder(folder).require_same(identity)

    def run(self, number: int, row: FrameRow, config: FrameConfig) -> None:
        """Train one row, unless it has its result already; why one has none is kept and told."""
        seed = config.train.seed
        if (number, seed, config.hash()) in self.done:
            return
        name = run_name(number, seed)
        settings = {**{k: str(v) for k, v in row.changes.items()}, "seed": seed}
        summaries = RunSummaries(self.folder / "tensorboard" / name, settings)
        try:
            with contextlib.closing(summaries):
                metrics = self._train(number, row, config, name, summaries)
        except OF_ONE_ROW as error:
            problem = Problem.of(number, seed, error)
            self.problems.append(problem)
            shown = f"{problem.kind}: {problem.reason}"
        else:
            shown = ", ".join(f"{k} {metrics[k]:.3f}" for k in SHOWN if k in metrics)
        print(f"row {number:2d} seed {seed} ({row.label}): {shown}", flush=True)

    def _train(
        self, number: int, row: FrameRow, config: FrameConfig, name: str, summaries: RunSummaries
    ) -> dict[str, float]:
        """Train, draw and record one row; its scores."""
        seed = config.train.seed
        part, trained = run_row(
            config,
            self.source,
            self.folder / "checkpoints" / name,
            summaries,
            label=f"row {number}/{len(self.plan.table.rows)}, seed {seed}",
            resume=self.resume,
            strategy=self.strategy,
        )
        draw_run(trained, part, self.folder / "pictures", name, row.label, summaries)
        self._submit(trained, name)
        record = {
            **self.shared,
            **part,
            "precision": config.train.precision,
            "notes": [*self.shared["notes"], *scored_note(number, config, part)],
            "row": number,
            "label": row.label,
            "short": row.short,
            "seed": seed,
            "config": config.to_dict(),
            "config_hash": config.hash(),
            "settings_hash": self.plan.configure(row, 0).hash(),
            "time": now(),
        }
        describe_frame_run(self.folder / "checkpoints" / name, self.source.prepared, record)
        append_record(self.results, record)
        metrics: dict[str, float] = part["metrics"]
        return metrics

    def _submit(self, trained: FrameRun, name: str) -> None:
        """Predictions: of stills in the columns of their list, else in the challenges' format."""
        scored, tasks = trained.scored, trained.config.loss.tasks
        if self.stills is not None:
            write_still_predictions(
                self.folder / "checkpoints" / name / "predictions.csv",
                self.stills.names(scored.index.name),
                scored.index, scored.answers, tasks, scored.thresholds,
            )  # fmt: skip
            return
        found = submissions(scored.index, scored.answers, tasks, scored.thresholds)
        for task, submission in found.items():
            write_submission(self.folder / "submissions" / f"{name}-{task}.txt", submission)
        if self.source.predicted_only:
            index = self.source.split("test")
            found = submissions(index, trained.answers(index), tasks, scored.thresholds)
            for task, submission in found.items():
                path = self.folder / "submissions" / f"{name}-test-{task}.txt"
                write_submission(path, submission)

    def run_baselines(self) -> None:
        """Constant predictors and linear probe, once for each data set."""
        if any(row == "constant" for row, _, _ in self.done):
            return
        for record in baselines(self.source):
            append_record(self.results, {**self.shared, **record, "time": now()})


def scored_note(number: int, config: FrameConfig, part: dict[str, Any]) -> list[str]:
    """What the report says of a row that is scored on other frames than the rest."""
    if config.data.scored == "all":
        return []
    frames = part["frames"]["validation"]
    which = f"the {frames} training frames that follow those it was trained on"
    return [f"row {number} is validated and scored on {which}"]
