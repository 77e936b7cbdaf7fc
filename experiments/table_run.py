"""Runs the plan of a recognition table: data, CNN, rows, baselines, report (paper Section V-B)."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from experiments.definitions import AnyRow
from experiments.encoding import Encoder, features_of, fixed_encoder
from experiments.profiles import Profile
from experiments.recognition import Plan
from experiments.reporting import baseline_records, report
from experiments.results import append_record, finished_runs, now, record_head, run_name
from experiments.rows import run_row
from experiments.sources import Source, open_source
from experiments.workbench import Workbench
from kaffect.config import RunConfig
from kaffect.data.batches.sequences import make_windows
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.devices import choose_strategy, on_devices
from kaffect.training.precision import resolved
from kaffect.training.runs import describe, save_encoder
from kaffect.training.summaries import RunSummaries

SHOWN = ("ccc_valence", "ccc_arousal", "accuracy", "f1_weighted", "f1_macro")


def run(plan: Plan, folder: Path, resume: bool) -> None:
    """Train every row of `plan` that has no result yet in `folder`, then write the report."""
    started = time.monotonic()
    source = open_source(
        plan.data,
        plan.profile,
        plan.base.data.partition,
        options=plan.tree,
        tasks=("va", "expression"),
    )
    base = resolved(scaled_to_data(plan.base, plan.profile, source))
    plan = dataclasses.replace(plan, base=base)
    strategy = choose_strategy()
    table = TableRun(plan, source, folder, resume, strategy)
    table.require_same_runs()
    precision = base.train.precision
    print(f"precision {precision}; {on_devices(strategy)}; results in {folder}", flush=True)
    for seed in plan.seeds:
        table.run_seed(seed)
    table.run_baselines()
    report(plan.table, folder, table.results)
    print(f"done in {time.monotonic() - started:.0f} s", flush=True)


@dataclass
class TableRun:
    """One table on one data set, in one results folder."""

    plan: Plan
    source: Source
    folder: Path
    resume: bool
    strategy: tf.distribute.Strategy
    shared: dict[str, Any] = field(init=False)
    bench: Workbench = field(init=False)
    done: set[tuple[Any, Any, Any]] = field(init=False)

    def __post_init__(self) -> None:
        profile = self.plan.profile
        head = record_head(self.plan.table.name, profile.name, self.source, profile.deviations)
        precision = self.plan.base.train.precision
        self.shared = {**head, "precision": precision}
        self.bench = Workbench(self.source.prepared.label_space, precision, self.strategy)
        self.done = finished_runs(self.results, self.source.prepared.hash)

    @property
    def results(self) -> Path:
        return self.folder / f"table_{self.plan.table.name.lower()}.jsonl"

    def require_same_runs(self) -> None:
        """Raise `ConfigError` where a run to go on with has other settings, data or precision."""
        if self.resume:
            for number, _, config in self.plan.configurations():
                identity = self.source.identity(config.to_dict())
                self._checkpoints(number, config.train.seed).require_same(identity)

    def _checkpoints(self, number: int, seed: int) -> CheckpointFolder:
        return CheckpointFolder(self.folder / "checkpoints" / run_name(number, seed))

    def run_seed(self, seed: int) -> None:
        """The rows of one seed that have no result yet; they share one CNN."""
        todo = [
            (number, row, config)
            for number, row, config in self.plan.configurations()
            if config.train.seed == seed and (number, seed, config.hash()) not in self.done
        ]
        if not todo:
            return
        encoder = fixed_encoder(todo[0][2], self.source, self.strategy)
        features, place = None, None
        if self.plan.base.train.cnn == "fixed":
            splits = dict.fromkeys(("train", "validation", self.source.scored_split))
            features = features_of(encoder, self.source, tuple(splits))
            # Beside the rows, so that the results folder is all that a row's network needs.
            place = save_encoder(self.folder, seed, encoder.network, encoder.origin)
        for number, row, config in todo:
            self._run_row(number, row, config, encoder, features, place)

    def _run_row(
        self,
        number: int,
        row: AnyRow,
        config: RunConfig,
        encoder: Encoder,
        features: Any,
        place: Path | None,
    ) -> None:
        seed = config.train.seed
        name = run_name(number, seed)
        settings = {**row.settings, "seed": seed}
        summaries = RunSummaries(self.folder / "tensorboard" / name, settings)
        part = run_row(
            config,
            self.source,
            self.bench,
            encoder,
            features,
            self.folder / "checkpoints" / name,
            summaries,
            label=f"row {number}/{len(self.plan.table.rows)}, seed {seed}",
            resume=self.resume,
        )
        summaries.close()
        record = {
            **self.shared,
            **part,
            "row": number,
            "label": row.label,
            "seed": seed,
            "config": config.to_dict(),
            "config_hash": config.hash(),
            "settings_hash": row.configure(self.plan.base, 0).hash(),
            "notes": [*self.shared["notes"], f"CNN: {encoder.origin}"],
            "time": now(),
        }
        self._describe(config, record, self.folder / "checkpoints" / name, place)
        append_record(self.results, record)
        shown = ", ".join(f"{k} {part['metrics'][k]:.3f}" for k in SHOWN if k in part["metrics"])
        print(f"row {number:2d} seed {seed} ({row.label}): {shown}", flush=True)

    def _describe(
        self, config: RunConfig, record: dict[str, Any], folder: Path, place: Path | None
    ) -> None:
        """Leave what `kaffect export` must know beside the checkpoints of a row."""
        describe(
            config,
            self.source.prepared,
            {"name": self.source.name, "kind": self.source.kind},
            metrics={
                "validation": record["validation"],
                record["scored_split"]: record["metrics"],
            },
            notes=tuple(record["notes"]),
            encoder=place and os.path.relpath(place, folder),
            commit=record["commit"],
        ).write(folder)

    def run_baselines(self) -> None:
        """Constant predictor and linear probe, once for each data set."""
        if any(row == "constant" for row, _, _ in self.done):
            return
        for record in baseline_records(self.source):
            append_record(self.results, {**self.shared, **record, "time": now()})


def scaled_to_data(base: RunConfig, profile: Profile, source: Any) -> RunConfig:
    """Turn a profile's epochs into steps, now that the size of the data is known."""
    if profile.epochs is None:
        return base
    windows = len(make_windows(source.split("train"), base.data.sequence_length))
    look = min(max(-(-windows // base.data.sequences), 10), 250)
    train = dataclasses.replace(base.train, steps=profile.epochs * look, evaluate_every=look)
    return dataclasses.replace(base, train=train)
