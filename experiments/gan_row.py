"""One row of Table IX with one seed: trained, chosen on validation, scored (Section V-A)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.gan_faces import real_faces
from experiments.sources import Source
from kaffect.data.prepared.records import FrameIndex
from kaffect.evaluation.discriminator import Judge, score_answers, score_discriminator
from kaffect.evaluation.gan_watch import GanWatch
from kaffect.evaluation.scoring import threshold_record
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.determinism import derived_seed
from kaffect.training.gan import GanTrainer
from kaffect.training.gan_config import GanConfig
from kaffect.training.gan_data import MIRROR, GanBatches
from kaffect.training.gan_loop import restore_gan, train_gan
from kaffect.training.progress import training_progress
from kaffect.training.summaries import RunSummaries

REAL_FACES = 256  # whose pairwise distance stands beside the generated ones'


def run_gan_row(
    config: GanConfig,
    source: Source,
    folder: Path,
    summaries: RunSummaries,
    *,
    label: str,
    resume: bool,
) -> tuple[GanTrainer, dict[str, Any]]:
    """Train one GAN and score its discriminator.

    Args:
        config: all settings, the seed among them.
        folder: of its checkpoints and pictures.
        label: what the progress is of.

    Returns:
        The trainer as at the end of training (the last weights, not the best), and the
        part of the row's record that depends on the training.

    Raises:
        TrainingDiverged: a value was not finite; the last good checkpoint is kept.
    """
    trainer = GanTrainer(config)
    judge = Judge(trainer)
    batches = GanBatches(
        source.prepared.split("train"),
        partition=source.partition,
        batch=config.batch,
        unlabelled=config.unlabelled,
        seed=derived_seed(config.seed, "frame order"),
        augment=MIRROR if config.mirror else None,
    )
    checkpoints = CheckpointFolder(folder)
    real, _ = real_faces(source, config.image_size, REAL_FACES)
    watch = GanWatch(trainer, folder, summaries, real)
    validation, scored = source.split("validation"), source.split(source.scored_split)
    total = config.in_rounds(config.steps)
    done = (checkpoints.last() or 0) if resume else 0

    def on_look(look: dict[str, Any]) -> None:
        watch(look)
        shown.look(look)

    with training_progress(total, label, initial=done, updates=len(config.updates)) as shown:
        progress = train_gan(
            trainer,
            batches,
            lambda: score_discriminator(judge, validation).metrics,
            checkpoints,
            data=source.prepared.hash,
            resume=resume,
            callbacks=[shown],
            on_look=on_look,
            on_resume=watch.resume,
            restore_best=False,
        )
    watch.animate()
    started = time.monotonic()
    last_score = progress.history[-1]["validation"]["score"]
    scores = _best_scores(trainer, judge, checkpoints, progress.step, validation, scored)
    best = next(look for look in progress.history if look["step"] == progress.best_step)
    updates = config.batch * progress.step
    record = {
        **scores,
        "validation": best["validation"],
        "last_validation_score": last_score,
        "generator": progress.history[-1]["generator"],
        "alarms": sorted({text for look in progress.history for text in look["alarms"]}),
        "best_step": progress.best_step,
        "steps": progress.step,
        "wall_time": round(progress.seconds, 2),
        "frames_per_second": round(updates / max(progress.seconds, 1e-9), 1),
        "scoring_time": round(time.monotonic() - started, 2),
        "unlabelled_frames": int(len(batches.hidden)),
    }
    return trainer, record


def _best_scores(
    trainer: GanTrainer,
    judge: Judge,
    checkpoints: CheckpointFolder,
    last: int,
    validation: FrameIndex,
    scored: FrameIndex,
) -> dict[str, Any]:
    """Scores of the checkpoint that validation chose; the trainer has its last weights after it."""
    best = checkpoints.best()
    if best is not None and best != last:
        restore_gan(trainer, checkpoints, best)
    thresholds = score_discriminator(judge, validation).thresholds
    result = score_discriminator(judge, scored, thresholds)
    found: dict[str, Any] = {"metrics": result.metrics}
    if np.ndim(thresholds):
        found |= threshold_record(thresholds, len(trainer.config.unit_names))
        found["metrics_at_half"] = score_answers(result.answers, scored, trainer.config.tasks)
    if best is not None and best != last:
        restore_gan(trainer, checkpoints, last)
    return found
