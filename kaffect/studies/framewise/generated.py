"""Generated faces for a row of Table IX-E (the paper's conclusion: "enrichment" of data sets).

The GAN sees what the row sees: the labels of its training frames and, without labels, all other
training faces. It is trained once for all rows of a seed that share these frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.config import GanConfig
from kaffect.config.framewise import FramewiseConfig
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import FrameIndex, PreparedData
from kaffect.data.prepared.stills import read_stills
from kaffect.files import home, stable_hash, writer_lock
from kaffect.studies.gan import DEMO, ONE
from kaffect.studies.gan.discriminator import Judge, score_discriminator
from kaffect.studies.gan.face_list import LIST, write_faces
from kaffect.studies.gan.generation import faces_of
from kaffect.studies.gan.study import schedule_of
from kaffect.studies.sources import Source
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.determinism import derived_seed
from kaffect.training.frame_choice import training_rows
from kaffect.training.gan import GanTrainer
from kaffect.training.gan_data import GanBatches
from kaffect.training.loop import train
from kaffect.training.progress import training_progress

# Validation passes of the GAN; the last weights draw, whatever they say.
_PASSES = 6
# Raised when the training or the drawing changes, so that older faces are not taken for new ones.
_VERSION = 1


def gan_config(config: FramewiseConfig) -> GanConfig:
    """The GAN of a row: Table IX's demo profile for the row's tasks, with its seed."""
    wanted = config.generated
    return GanConfig().changed(
        {
            **DEMO.variant_changes[ONE],
            "loss.tasks": [task for task in config.loss.tasks if task != "expression"],
            "model.width": wanted.width,
            "train.generator_rate": wanted.rate,
            "train.discriminator_rate": wanted.rate,
            "train.steps": wanted.steps,
            "train.evaluate_every": -(-wanted.steps // _PASSES),
            "train.seed": config.train.seed,
            "train.precision": config.train.precision,
        }
    )


def faces_key(config: FramewiseConfig, source: Source) -> str:
    """Of all that decides the generated faces: GAN, data, labelled frames, number of faces."""
    gan, rows = gan_config(config).identity(), labelled_frames(config, source).tolist()
    return stable_hash([_VERSION, gan, source.prepared.hash, rows, config.generated.count])


def labelled_frames(config: FramewiseConfig, source: Source) -> np.ndarray:
    """The training frames of a row, whose labels its GAN knows: row numbers, sorted."""
    return np.unique(training_rows(config, source.split("train")))


def generated_faces(config: FramewiseConfig, source: Source) -> FrameIndex:
    """`generated.count` faces with their discriminator's labels, as frames for training.

    They are kept below `$KAFFECT_HOME/generated` and drawn once; an interrupted GAN goes on.

    Raises:
        DatasetError: no training frame has a label of the row's tasks.
        TrainingDiverged: the GAN's training failed.
    """
    prepared, folder = source.prepared, home() / "generated" / faces_key(config, source)
    faces = folder / "faces"
    with writer_lock(folder, "the generated faces", wait=True):
        if not (faces / LIST).is_file():
            rows = labelled_frames(config, source)
            trainer = _trained(gan_config(config), source, rows, folder / "gan")
            seed = derived_seed(config.train.seed, "generated faces")
            write_faces(faces, faces_of(trainer, config.generated.count, seed), seed)
        stills = read_stills(faces / LIST, hold_out=False)
        found = prepare_stills(
            stills, image_size=prepared.crop_rule.image_size, encoding=prepared.encoding
        )
    return PreparedData.open(found).split("train")


def _trained(config: GanConfig, source: Source, rows: np.ndarray, folder: Path) -> GanTrainer:
    trainer = GanTrainer(config, source.prepared.label_space)
    judge, validation = Judge(trainer), source.split("validation")
    batches = GanBatches.of(config, source.prepared.split("train"), source.partition, rows)
    checkpoints, schedule = CheckpointFolder(folder), schedule_of(config)

    def validate() -> dict[str, float]:
        return score_discriminator(judge, validation).metrics

    done, updates = checkpoints.last() or 0, trainer.updates_in_batch
    what = f"GAN on {len(rows)} labelled frames"
    with training_progress(schedule.steps, what, initial=done, updates=updates) as shown:
        # An interrupted GAN always goes on: its key names all that it depends on.
        train(
            trainer,
            batches,
            validate,
            schedule,
            checkpoints,
            resume=True,
            restore_best=False,
            callbacks=[shown],
            on_validation=shown.validated,
        )
    return trainer


def generated_in_batch(config: FramewiseConfig) -> int:
    """How many pictures of each batch are generated: at least one, and not all."""
    batch = config.data.batch
    return min(max(round(batch * config.generated.share), 1), batch - 1)


def beside(real: tf.data.Dataset, generated: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of both, the real pictures of each step first."""

    def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        return {name: tf.concat([one[name], other[name]], axis=0) for name in one}

    return tf.data.Dataset.zip(real, generated).map(joined)
