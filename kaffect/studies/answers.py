"""What the network of a run, of any study, says of every frame of a split (paper Section V)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from kaffect.data.batches.perturbations import Perturbation, perturbed
from kaffect.data.batches.pipeline import evaluation_frames, evaluation_sequences
from kaffect.data.batches.sequences import make_windows
from kaffect.data.prepared.records import FrameIndex
from kaffect.studies.gan.discriminator import Judge
from kaffect.training.prediction import Predictions, frame_features, predict_rows, predictor
from kaffect.training.runs import Run, SequenceNetworks

# Pictures that a fixed CNN reads together; a batch of sequences has hundreds.
_ENCODED_TOGETHER = 64
# As in the tables of each study, whose figures `kaffect evaluate` gives again to the last digit.
_BATCH = {"gan": 256, "framewise": 128}
Outputs = Mapping[str, tf.Tensor]


def answers_of(run: Run, index: FrameIndex) -> Predictions:
    """The outputs of a run's network for every row of `index` that counts: name -> [rows, k].

    Features of a fixed CNN come from the cache where they are there.
    """
    if run.description.kind != "recognition" or run.networks.encoder is None:
        return PictureReader(run)(index)
    features = frame_features(run.networks.encoder, index)
    batches = _sequences(run, index, features=features)
    predict = predictor(run.networks.trained)
    return predict_rows(predict, batches, index.rows, inputs="features")


class PictureReader:
    """A run's network on the pictures themselves, changed or not; compiled once.

    Args:
        run: from `load_run`.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        kind, networks = run.description.kind, run.networks
        self._predict: Callable[[tf.Tensor], Outputs]
        if kind == "gan":
            self._predict = Judge(networks)
        elif kind == "framewise" or networks.encoder is None:
            self._predict = predictor(networks if kind == "framewise" else networks.trained)
        else:
            self._predict = _encoded(networks)

    def __call__(self, index: FrameIndex, change: Perturbation | None = None) -> Predictions:
        """The outputs for every row of `index` that counts: name -> [rows, k].

        Args:
            change: of the pictures before the network sees them.
        """
        kind = self.run.description.kind
        if kind == "recognition":
            batches = _sequences(self.run, index)
        else:
            batches = evaluation_frames(index, batch=_BATCH[kind])
        if change is not None:
            batches = perturbed(batches, change, index.has_face)
        return predict_rows(self._predict, batches, index.rows, inputs="images")


def _sequences(run: Run, index: FrameIndex, features: np.ndarray | None = None) -> tf.data.Dataset:
    data = run.description.config.data
    # A picture of a list is no frame of a sequence: each stands alone.
    windows = (
        index.rows[:, None] if index.data.fps is None else make_windows(index, data.sequence_length)
    )
    return evaluation_sequences(index, windows, batch=data.sequences, features=features)


def _encoded(networks: SequenceNetworks) -> Callable[[tf.Tensor], Outputs]:
    """The fixed CNN and what was trained behind it: images [batch, time, ...] -> outputs."""
    encode, predict = predictor(networks.encoder), predictor(networks.trained)

    def outputs(images: tf.Tensor) -> Outputs:
        batch, time = images.shape[:2]
        flat = tf.reshape(images, [batch * time, *images.shape[2:]])
        parts = [
            encode(flat[start : start + _ENCODED_TOGETHER])
            for start in range(0, batch * time, _ENCODED_TOGETHER)
        ]
        features = tf.concat(parts, axis=0)
        return predict(tf.reshape(features, [batch, time, features.shape[-1]]))

    return outputs
