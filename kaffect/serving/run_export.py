"""From the folder of a training, of any study, to an export (`kaffect export --run`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaffect.config import EXPORT_PRECISIONS
from kaffect.data.video.resample import FPS
from kaffect.errors import ConfigError, expected_received
from kaffect.files import home, stable_hash, writer_lock
from kaffect.metrics.thresholds import probabilities
from kaffect.serving.export import Extra, export_discriminator, export_generator, export_model
from kaffect.serving.facts import Facts
from kaffect.serving.loading import SCHEMA
from kaffect.training.gan import GanTrainer, build_networks
from kaffect.training.runs import Run, RunDescription, content_hash, find_run, load_run

PARTS = ("generator", "discriminator")
# Which output a task trains; heads of weight 0 stay as they were initialised.
_TRAINED = {"va": "valence_arousal", "expression": "expression_logits"}
_TASKS = {"va": "valence and arousal", "expression": "expressions", "au": "Action Units"}
_AVERAGED = "weights: their moving average over training"


@dataclass(frozen=True)
class _Request:
    """What was asked for, beside the run."""

    out: str | Path
    part: str | None
    tflite: bool
    onnx: bool
    extras: tuple[Extra, ...]


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
    onnx: bool = False,
    extras: Iterable[Extra] = (),
) -> Path:
    """Export what was trained in `run`.

    Args:
        run: folder of one run's checkpoints (`.../checkpoints/row-05-seed-0`), or a results
            folder; of that the run best on validation is taken.
        out: folder NAME/VERSION.
        row, seed: narrow the choice in a results folder.
        which: checkpoint, "best" on validation or "last".
        part: of a GAN, "generator" (default) or "discriminator".
        precision: in which the exported graph computes; "run": the training's own.
        tflite: write a TensorFlow Lite file too (networks that read faces).
        onnx: write an ONNX file too (likewise).

    Returns:
        `out`, checked.

    Raises:
        ArtifactError, ConfigError: nothing there to export, or a setting not accepted.
    """
    folder = find_run(Path(run), row, seed)
    if precision not in EXPORT_PRECISIONS:
        what = "--precision of an export"
        raise ConfigError(expected_received(what, EXPORT_PRECISIONS, precision))
    kind = RunDescription.read(folder).kind
    if kind == "gan" and (tflite or onnx):
        flag = "--tflite" if tflite else "--onnx"
        raise ConfigError(f"{flag}: only for networks that read faces, not for a GAN")
    if kind != "gan" and part is not None:
        raise ConfigError(f"--part: {folder} is no GAN; it has one network")
    loaded = load_run(folder, which, None if precision == "run" else precision)
    write = _EXPORTS[kind]
    return write(loaded, _Request(out, part, tflite, onnx, tuple(extras)))


def cached_export(run: str | Path) -> Path:
    """The export of a run that reads faces, made on first use below `$KAFFECT_HOME/exports`.

    It computes in float32; of a GAN it is the discriminator. Its folder is named by a hash of
    all that it is made from, and of how exports are written. Where another process is writing
    it, this one waits.

    Args:
        run: as of `export_run`.

    Raises:
        ArtifactError: nothing there to export.
    """
    folder = find_run(Path(run))
    part = "discriminator" if RunDescription.read(folder).kind == "gan" else None
    name = stable_hash([content_hash(folder), SCHEMA])
    path = home() / "exports" / name / folder.name / "1"
    if not path.is_dir():
        with writer_lock(path, f"the export of {folder}", wait=True):
            if not path.is_dir():
                export_run(folder, path, part=part)
    return path


def _export_sequences(run: Run, request: _Request) -> Path:
    config = run.description.config
    return export_model(
        run.networks.whole,
        request.out,
        facts_of(run),
        outputs=[_TRAINED[task] for task in config.loss.tasks],
        reset_every=config.data.sequence_length,
        precision=run.precision,
        tflite=request.tflite,
        onnx=request.onnx,
        extras=request.extras,
    )


def _export_framewise(run: Run, request: _Request) -> Path:
    return export_model(
        run.networks,
        request.out,
        facts_of(run),
        precision=run.precision,
        tflite=request.tflite,
        onnx=request.onnx,
        extras=request.extras,
    )


def _export_gan(run: Run, request: _Request) -> Path:
    part = request.part or "generator"
    if part not in PARTS:
        raise ConfigError(expected_received("--part of a GAN", PARTS, part))
    trainer: GanTrainer = run.networks
    facts = facts_of(run, part)
    averaged = dataclasses.replace(facts, notes=(_AVERAGED, *facts.notes))
    generator, discriminator = build_networks(trainer.config, trainer.space, run.precision)
    more: dict[str, Any] = {"precision": run.precision, "extras": request.extras}
    if part == "generator":
        trainer.average.copy_to(generator)
        facts = dataclasses.replace(averaged, metrics={})
        return export_generator(generator, request.out, facts, **more)
    network = trainer.discriminator
    if trainer.discriminator_average is not None:
        # The average is what the scores and thresholds are of.
        trainer.discriminator_average.copy_to(discriminator)
        network, facts = discriminator, averaged
    return export_discriminator(network, trainer.heads, request.out, facts, **more)


_EXPORTS: dict[str, Callable[[Run, _Request], Path]] = {
    "recognition": _export_sequences,
    "framewise": _export_framewise,
    "gan": _export_gan,
}


def facts_of(run: Run, part: str = "") -> Facts:
    """What a user must know of a run."""
    described = run.description
    config = described.config
    thresholds = described.thresholds if "au" in config.loss.tasks else {}
    # JSON has them sorted by name.
    names = [name for name in described.label_space.action_units if name in thresholds]
    cuts = [thresholds[name] for name in names]
    return Facts(
        title=_title(described, part),
        label_space=described.label_space,
        crop_rule=described.crop_rule,
        detector=described.detector,
        fps=described.fps or FPS,
        data=described.data,
        metrics={
            split: {name: v for name, v in values.items() if isinstance(v, (int, float))}
            for split, values in described.metrics.items()
        },
        scored_in=config.train.precision,
        action_unit_thresholds=dict(zip(names, probabilities(cuts).tolist())) if cuts else {},
        action_unit_logit_thresholds=dict(zip(names, cuts)),
        notes=described.notes,
        source={
            "run": run.folder.name,
            "step": run.step,
            "commit": described.commit,
            "config_hash": config.hash(),
            "config": config.to_dict(),
        },
    )


def _title(described: RunDescription, part: str) -> str:
    config = described.config
    if described.kind == "gan":
        return f"GAN of {config.model.title}: {part}"
    network = "VGGFACE-GRU-attention"
    if described.kind == "framewise":
        network = f"{config.model.title}, single pictures"
    return f"{network}: " + ", ".join(_TASKS[task] for task in config.loss.tasks)
