"""From the folder of a finished training to an export (`kaffect export --run`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kaffect.config import EXPORT_PRECISIONS
from kaffect.errors import ArtifactError, ConfigError, expected_received
from kaffect.faces.crops import CropRule
from kaffect.files import read_json
from kaffect.labels import LABEL_SPACES
from kaffect.serving.export import Extra, export_discriminator, export_generator, export_model
from kaffect.serving.facts import Facts
from kaffect.training.frame_runs import FRAMES, load_frame_run
from kaffect.training.frames_config import FrameConfig
from kaffect.training.gan import build_networks
from kaffect.training.gan_loop import DESCRIPTION, RESULT, load_gan
from kaffect.training.precision import recorded
from kaffect.training.runs import RUN, Run, RunDescription, load_run

PARTS = ("generator", "discriminator")
# Which output a task trains; heads of weight 0 stay as they were initialised.
_TRAINED = {"va": "valence_arousal", "expression": "expression_logits"}


def export_run(
    run: str | Path,
    out: str | Path,
    *,
    row: int | None = None,
    seed: int | None = None,
    which: str = "best",
    part: str | None = None,
    precision: str = "float32",
    tflite: bool = False,
    extras: Iterable[Extra] = (),
) -> Path:
    """Export what was trained in `run`.

    Args:
        run: folder of one run's checkpoints (`.../checkpoints/row-05-seed-0`, `.../gans/...`),
            or a results folder; of that the run best on validation is taken.
        out: folder NAME/VERSION.
        row, seed: narrow the choice in a results folder.
        which: checkpoint, "best" on validation or "last".
        part: of a GAN, "generator" (default) or "discriminator".
        precision: in which the exported graph computes; "run": the training's own.
        tflite: write a TensorFlow Lite file too (recognition networks).

    Returns:
        `out`, checked.

    Raises:
        ArtifactError, ConfigError: nothing there to export, or a setting not accepted.
    """
    folder = find_run(Path(run), row, seed)
    if precision not in EXPORT_PRECISIONS:
        what = "--precision of an export"
        raise ConfigError(expected_received(what, EXPORT_PRECISIONS, precision))
    policy = None if precision == "run" else precision
    if (folder / DESCRIPTION).is_file():
        if tflite:
            raise ConfigError("--tflite: only for networks that read faces, not for a GAN")
        return _export_gan(folder, out, which, part or "generator", policy, extras)
    if part is not None:
        raise ConfigError(f"--part: {folder} is no GAN; it has one network")
    if (folder / FRAMES).is_file():
        network, config, found = load_frame_run(folder, which, policy)
        facts = _frame_facts(folder, config, found)
        policy = policy or recorded(config)
        return export_model(network, out, facts, precision=policy, tflite=tflite, extras=extras)
    loaded = load_run(folder, which, policy)
    return export_model(
        loaded.network,
        out,
        run_facts(loaded),
        outputs=[_TRAINED[task] for task in loaded.description.config.loss.tasks],
        reset_every=loaded.description.config.data.sequence_length,
        precision=loaded.precision,
        tflite=tflite,
        extras=extras,
    )


def find_run(path: Path, row: int | None = None, seed: int | None = None) -> Path:
    """The run that `path` means: itself, or the best on validation below it."""
    if any((path / name).is_file() for name in (RUN, FRAMES, DESCRIPTION)):
        return path
    found: dict[Path, float] = {}
    for described in sorted(path.glob(f"*/*/{RUN}")):
        metrics = RunDescription.read(described.parent).metrics
        found[described.parent] = metrics.get("validation", {}).get("score", float("-inf"))
    for described in sorted(path.glob(f"*/*/{FRAMES}")):
        validation = read_json(described).get("metrics", {}).get("validation", {})
        found[described.parent] = validation.get("score", float("-inf"))
    for described in sorted(path.glob(f"*/*/{DESCRIPTION}")):
        result = described.parent / RESULT
        score = read_json(result)["validation"]["score"] if result.is_file() else float("-inf")
        found[described.parent] = score
    wanted = [f"row-{row:02d}-"] if row is not None else []
    wanted += [f"seed-{seed}-"] if seed is not None else []
    chosen = {p: s for p, s in found.items() if all(w in f"{p.name}-" for w in wanted)}
    if not chosen:
        what = f"row {row}, seed {seed} of " if wanted else ""
        raise ArtifactError(
            f"{path}: no finished run to export. Expected {what}a results folder of "
            f"experiments/run.py, or a folder with {RUN}, {FRAMES} or {DESCRIPTION}"
        )
    return max(chosen, key=lambda p: chosen[p])


def run_facts(run: Run) -> Facts:
    """What a user must know of a recognition run."""
    description = run.description
    config = description.config
    tasks = {"va": "valence and arousal", "expression": "basic expressions"}
    title = "VGGFACE-GRU-attention: " + " and ".join(tasks[task] for task in config.loss.tasks)
    return Facts(
        title=title,
        label_space=description.label_space,
        crop_rule=description.crop_rule,
        fps=description.fps,
        data=description.data,
        metrics=description.metrics,
        scored_in=recorded(config),
        notes=description.notes,
        source={
            "run": run.folder.name,
            "step": run.step,
            "commit": description.commit,
            "config_hash": config.hash(),
            "config": config.to_dict(),
        },
    )


def _frame_facts(folder: Path, config: FrameConfig, found: dict[str, Any]) -> Facts:
    tasks = {"va": "valence and arousal", "expression": "expressions", "au": "Action Units"}
    metrics = {
        split: {k: v for k, v in values.items() if isinstance(v, (int, float))}
        for split, values in found["metrics"].items()
    }
    return Facts(
        title="ResNet-18, single pictures: " + ", ".join(tasks[t] for t in config.loss.tasks),
        label_space=found["label_space"],
        crop_rule=CropRule.from_dict(found["crop_rule"]),
        fps=found["fps"],
        data=found["data"],
        metrics=metrics,
        scored_in=recorded(config),
        action_unit_thresholds=found["thresholds"] if "au" in config.loss.tasks else {},
        # Runs of earlier versions know probabilities alone.
        action_unit_logit_thresholds=(
            found.get("logit_thresholds", {}) if "au" in config.loss.tasks else {}
        ),
        notes=tuple(found["notes"]),
        source={
            "run": folder.name,
            "step": found["step"],
            "commit": found["commit"],
            "config_hash": config.hash(),
            "config": config.to_dict(),
        },
    )


def _export_gan(
    folder: Path,
    out: str | Path,
    which: str,
    part: str,
    policy: str | None,
    extras: Iterable[Extra],
) -> Path:
    if part not in PARTS:
        raise ConfigError(expected_received("--part of a GAN", PARTS, part))
    trainer = load_gan(folder, which, policy)
    facts = _gan_facts(folder, trainer.config, which, part)
    averaged = dataclasses.replace(
        facts, notes=("weights: their moving average over training", *facts.notes)
    )
    precision = trainer.policy_name
    generator, discriminator = build_networks(trainer.config, precision)
    if part == "generator":
        trainer.average.copy_to(generator)
        facts = dataclasses.replace(averaged, metrics={})
        return export_generator(generator, out, facts, precision=precision, extras=extras)
    heads = trainer.config.heads
    network = trainer.discriminator
    if trainer.discriminator_average is not None:
        # The average is what the scores and thresholds are of.
        trainer.discriminator_average.copy_to(discriminator)
        network, facts = discriminator, averaged
    return export_discriminator(network, heads, out, facts, precision=precision, extras=extras)


def _gan_facts(folder: Path, config: Any, which: str, part: str) -> Facts:
    path = folder / RESULT
    # A run that was interrupted before it was scored has none.
    result = read_json(path) if path.is_file() else {}
    metrics = {}
    if result:
        metrics = {
            "validation": result["validation"],
            result["scored_split"]: result["metrics"],
        }
        metrics = {k: {n: v for n, v in m.items() if v is not None} for k, m in metrics.items()}
    rule = CropRule.from_dict(result["crop_rule"]) if "crop_rule" in result else CropRule()
    return Facts(
        title=f"GAN of configuration {config.configuration}: {part}",
        label_space=LABEL_SPACES[config.label_space],
        crop_rule=rule,
        data={
            "name": result.get("data_name", "unknown"),
            "kind": result.get("data_kind", "unknown"),
            "hash": result.get("data_hash", ""),
        },
        metrics=metrics,
        scored_in=recorded(config),
        action_unit_thresholds=_gan_thresholds(config, result),
        action_unit_logit_thresholds=dict(
            zip(config.unit_names, result.get("logit_thresholds", ()))
        ),
        notes=tuple(result.get("notes", ())),
        source={
            "run": folder.name,
            "checkpoint": which,
            "commit": result.get("commit", ""),
            "config_hash": config.hash(),
            "config": config.to_dict(),
        },
    )


def _gan_thresholds(config: Any, result: dict[str, Any]) -> dict[str, float]:
    """Those that the run was scored with, by name of the unit."""
    chosen = result.get("thresholds", [0.5] * len(config.unit_names))
    return dict(zip(config.unit_names, chosen))
