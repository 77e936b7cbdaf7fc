"""Runs the plan of Table IX: data, trainings, baselines, quality, reports (paper Section V-A)."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.gan import GanPlan
from experiments.gan_definitions import SIZES, GanRow
from experiments.gan_quality import QualityMeter, face_features
from experiments.gan_report import report
from experiments.gan_row import run_gan_row
from experiments.profiles import PROFILES
from experiments.reporting import baseline_records
from experiments.results import append_record, finished_runs, now, read_records, record_head
from experiments.sources import Source, open_source
from kaffect.evaluation.baselines import constant_baseline
from kaffect.files import stable_hash, write_json
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.devices import on_one_device
from kaffect.training.gan import GanTrainer
from kaffect.training.gan_config import GanConfig
from kaffect.training.gan_loop import MAY_CHANGE, RESULT, gan_identity
from kaffect.training.precision import precision_here
from kaffect.training.summaries import RunSummaries

SHOWN = ("ccc_valence", "ccc_arousal", "au_f1_weighted", "au_f1_macro", "au_accuracy")
UNSAID = "the paper does not say which configuration its Table IX is of"


def run(plan: GanPlan, folder: Path, resume: bool) -> None:
    """Train every row of `plan` that has no result yet in `folder`, then write the reports."""
    started = time.monotonic()
    source = open_source(
        plan.data, PROFILES[plan.profile.name], "au", options=plan.tree, tasks=("va", "au")
    )
    plan = dataclasses.replace(plan, precision=precision_here(plan.precision))
    table = GanTableRun(plan, source, folder, resume)
    table.require_same_runs()
    print(f"precision {plan.precision}; {on_one_device()}; results in {folder}", flush=True)
    for number, row, config in plan.trainings(source.prepared.label_space):
        table.run_row(number, row, config)
    table.run_baselines()
    for configuration in plan.configurations:
        report(plan, configuration, folder, table.results)
    print(f"done in {time.monotonic() - started:.0f} s", flush=True)


@dataclass
class GanTableRun:
    """Table IX on one data set, in one results folder."""

    plan: GanPlan
    source: Source
    folder: Path
    resume: bool
    done: set[tuple[Any, Any, Any]] = field(init=False)
    meters: dict[int, QualityMeter] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.done = finished_runs(self.results, self.source.prepared.hash)

    @property
    def results(self) -> Path:
        return self.folder / "table_ix.jsonl"

    def require_same_runs(self) -> None:
        """Raise `ConfigError` where a run to go on with has other settings, data or precision."""
        if self.resume:
            prepared = self.source.prepared
            for number, _, config in self.plan.trainings(prepared.label_space):
                folder = self.folder / "gans" / name_of(self.plan, number, config)
                identity = gan_identity(config, prepared.hash)
                CheckpointFolder(folder).require_same(identity, free=MAY_CHANGE)

    def run_row(self, number: int, row: GanRow, config: GanConfig) -> None:
        """Train and score one row, unless its result is there."""
        if (number, config.seed, config.hash()) in self.done:
            return
        name = name_of(self.plan, number, config)
        settings = {**row.settings, "configuration": config.configuration, "seed": config.seed}
        summaries = RunSummaries(self.folder / "tensorboard" / name, settings)
        label = f"row {number}, configuration {config.configuration}, seed {config.seed}"
        trainer, part = run_gan_row(
            config,
            self.source,
            self.folder / "gans" / name,
            summaries,
            label=label,
            resume=self.resume,
        )
        summaries.scalars(part["steps"], self.source.scored_split, part["metrics"])
        summaries.close()
        part |= self._quality(trainer)
        record = {
            **self.shared(config.configuration),
            **part,
            "row": number,
            "label": row.label,
            "seed": config.seed,
            "config": config.to_dict(),
            "config_hash": config.hash(),
            "settings_hash": row.configure(
                self.plan.base(config.configuration), self.source.prepared.label_space, 0
            ).hash(),
            "folder": f"gans/{name}",
            "time": now(),
        }
        # Beside the checkpoints: what an export of this GAN must say of it.
        crop_rule = self.source.prepared.crop_rule.to_dict()
        result = {**record, "crop_rule": crop_rule}
        write_json(self.folder / "gans" / name / RESULT, result, sealed=True)
        append_record(self.results, record)
        shown = ", ".join(f"{k} {part['metrics'][k]:.3f}" for k in SHOWN if k in part["metrics"])
        print(f"{label} ({row.label}): {shown}", flush=True)

    def _quality(self, trainer: GanTrainer) -> dict[str, Any]:
        """FID and its like of the trained generator, where the profile wants them."""
        count = self.plan.profile.quality_faces
        if not count:
            return {}
        started, size = time.monotonic(), trainer.config.image_size
        if size not in self.meters:
            features = face_features(self.source, self.plan.profile.feature_steps)
            self.meters[size] = QualityMeter(self.source, features, size, count)
        figures = self.meters[size](trainer)
        return {"quality": figures, "quality_time": round(time.monotonic() - started, 2)}

    def run_baselines(self) -> None:
        """Constant predictors and the linear probe, once for each configuration's report."""
        present = {
            (record["row"], record["configuration"]) for record in read_records(self.results)
        }
        if all(("linear_probe", c) in present for c in self.plan.configurations):
            return
        baselines = [*baseline_records(self.source), self._every_unit()]
        for configuration in self.plan.configurations:
            for record in baselines:
                if (record["row"], configuration) not in present:
                    # Settings and filters, which the notes name, change no baseline.
                    shared = {**self.shared(configuration), "notes": [*self.source.notes]}
                    append_record(self.results, {**shared, **record, "time": now()})

    def _every_unit(self) -> dict[str, Any]:
        labels = self.source.split("train").scoring()
        truth = self.source.split(self.source.scored_split).scoring()
        classes = len(self.source.prepared.label_space.expressions)
        metrics = constant_baseline(labels, truth, units="all", classes=classes)
        label = "constant, every AU"
        row = {"row": "constant_all_units", "label": label, "seed": 0, "wall_time": 0.0}
        return {**row, "metrics": {k: v for k, v in metrics.items() if k.startswith("au_")}}

    def shared(self, configuration: int) -> dict[str, Any]:
        """What every record of one configuration has in common."""
        notes = which_configuration(self.plan, configuration), *self.plan.deviations(configuration)
        head = record_head(self.plan.table.name, self.plan.profile.name, self.source, notes)
        return {**head, "configuration": configuration, "precision": self.plan.precision}


def which_configuration(plan: GanPlan, configuration: int) -> str:
    """What a report says of a choice that the paper leaves open, and how to get the other one."""
    if len(plan.configurations) > 1:
        return f"{UNSAID}: both are reported"
    other = GanConfig(configuration=3 - configuration)
    return (
        f"{UNSAID}: this is {plan.base(configuration).title}; --configuration "
        f"{other.configuration} runs the other ({other.image_size}x{other.image_size})"
    )


def name_of(plan: GanPlan, number: int, config: GanConfig) -> str:
    """Folder of the GAN of a row; other settings of the command line have another one.

    More steps are no other settings: with `--resume` the same GAN goes on.
    """
    name = f"{config.name}-row-{number:02d}-seed-{config.seed}"
    changed = {k: v for k, v in plan.overrides.items() if k not in SIZES}
    return f"{name}-set-{stable_hash(changed)}" if changed else name
