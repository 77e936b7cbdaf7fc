"""FID, KID, precision and recall of a generator of Table IX (the paper's Section V-A.2 has none).

The features are those of a small network of kaffect's own, which works offline and is trained
on the faces at hand. They are not Inception's: the figures compare runs on the same data
with each other and with `real_faces`, and nothing else.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect import models
from kaffect.config.recognition import Pretraining, RecognitionConfig, RecognitionTraining
from kaffect.metrics.generation import quality
from kaffect.studies.gan.faces import real_faces
from kaffect.studies.gan.generation import FaceGenerator
from kaffect.studies.recognition.encoding import train_encoder
from kaffect.studies.sources import Source
from kaffect.training.gan import GanTrainer, latents
from kaffect.training.prediction import predictor

# One network for all rows, seeds and configurations: its seed is not the run's.
FEATURES = RecognitionConfig(
    pretrain=Pretraining(steps=600, batch=32, learning_rate=1e-3, evaluate_every=300),
    # Figures must not depend on the precision of a run.
    train=RecognitionTraining(precision="float32"),
)
FEATURES_NOTE = (
    "FID, KID, precision and recall are of a small network of kaffect's own (Table VI's "
    "convolutions at half width, 128 features, trained to read valence, arousal, expressions and "
    "Action Units of the training faces), NOT of Inception: they compare rows of this report only. "
    "It sees 32x32 pixels: of 96x96 faces finer detail does not count."
)
_SEED = 2

Features = Callable[[np.ndarray], np.ndarray]


def face_features(source: Source, steps: int | None = None) -> Features:
    """The network of `FEATURES`, trained on `source` once and then kept.

    Args:
        steps: of its training, where not those of `FEATURES`.

    Returns:
        Faces uint8 [n, size, size, 3] -> [n, 128]. Faces smaller than its 96x96 are
        enlarged by whole factors, generated and real ones alike.
    """
    config = FEATURES
    if steps is not None:
        pretrain = dataclasses.replace(config.pretrain, steps=steps)
        config = dataclasses.replace(config, pretrain=pretrain)
    size = config.data.image_size
    with models.layers_compute_in(config.train.precision):
        encoder = models.face_features(size, seed=config.train.seed)
    train_encoder(encoder, config, source)
    predict = predictor(encoder)

    def features(faces: np.ndarray) -> np.ndarray:
        factor = size // faces.shape[1]
        parts = np.split(faces, range(128, len(faces), 128))
        enlarged = (part.repeat(factor, axis=1).repeat(factor, axis=2) for part in parts)
        found = [np.asarray(predict(tf.constant(part))) for part in enlarged]
        return np.concatenate(found)

    return features


class QualityMeter:
    """FID and its like of generators of one image size against training faces.

    Args:
        source: the data of the run.
        features: see `face_features`.
        size: of the faces, 32 or 96.
        count: how many generated faces are compared with as many real ones.
    """

    def __init__(self, source: Source, features: Features, size: int, count: int) -> None:
        self.features, self.count = features, count
        real, _ = real_faces(source, size, count)
        others, _ = real_faces(source, size, count, split=source.scored_split)
        self.real = features(real)
        # What a perfect generator of new people's faces would reach.
        self.real_faces = quality(self.real, features(others))

    def __call__(self, trainer: GanTrainer) -> dict[str, Any]:
        """`fid`, `kid`, `kid_sd`, `precision`, `recall` of the averaged generator, how many
        `faces` were compared, and the same figures of `real_faces` of the scored split."""
        z = latents(_SEED, 0, self.count).numpy()
        generated = self.features(FaceGenerator(trainer)(z))
        figures = quality(self.real, generated)
        return {**figures, "faces": self.count, "real_faces": self.real_faces}


class QualityMeters:
    """FID and its like of any generator; rows with the same settings share one meter.

    Args:
        source: the data of the run.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._meters: dict[tuple[int, int, int | None], QualityMeter] = {}

    def __call__(self, trainer: GanTrainer) -> dict[str, Any]:
        """`quality` and `quality_time` in seconds; nothing where the settings ask for none."""
        wanted, size = trainer.config.quality, trainer.config.model.image_size
        if not wanted.faces:
            return {}
        started, key = time.monotonic(), (size, wanted.faces, wanted.feature_steps)
        if key not in self._meters:
            features = face_features(self.source, wanted.feature_steps)
            self._meters[key] = QualityMeter(self.source, features, size, wanted.faces)
        figures = self._meters[key](trainer)
        return {"quality": figures, "quality_time": round(time.monotonic() - started, 2)}
