"""A network's answer for every frame of a split, in the order of the data set's frame index.

Serves validation, tables and reports: windows may be padded, but every real
frame is predicted exactly once or the function says which is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from kaffect.data.batches.features import FeatureStore
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import DatasetError
from kaffect.training.checkpoints import network_hash

Predictions = dict[str, np.ndarray]


def predictor(network: keras.Model) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """`network` in inference mode as one compiled function; weights may change between calls."""

    @tf.function(reduce_retracing=True)
    def predict(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return network(inputs, training=False)

    return predict


def frame_features(encoder: keras.Model, index: FrameIndex) -> np.ndarray:
    """Features [rows of the split, F] of a fixed CNN for the rows that count, cached on disk.

    Their key is all that they depend on: the network, its precision and the data. See
    `FeatureStore.get_or_compute`, whose errors it raises.
    """
    return FeatureStore().get_or_compute(index, predictor(encoder), network_hash(encoder))


def predict_rows(
    predict: Callable[[tf.Tensor], Mapping[str, tf.Tensor]],
    batches: Iterable[Mapping[str, tf.Tensor]],
    rows: np.ndarray,
    *,
    inputs: str,
) -> Predictions:
    """Collect `predict(batch[inputs])` for the frames `rows`.

    Args:
        predict: inputs [batch, time, ...] -> outputs [batch, time, k].
        batches: dictionaries with `inputs` and 'row' [batch, time], -1 where padded.
        rows: sorted numbers of the frames that must be answered.

    Returns:
        Output name -> [len(rows), k], float32, in the order of `rows`.

    Raises:
        DatasetError: the batches leave out one of `rows`.
    """
    answers: Predictions = {}
    seen = np.zeros(len(rows), bool)
    for batch in batches:
        numbers = batch["row"].numpy().reshape(-1)
        real = numbers >= 0
        places = np.searchsorted(rows, numbers[real])
        for name, output in predict(batch[inputs]).items():
            values = output.numpy()
            values = values.reshape(-1, values.shape[-1]).astype(np.float32)
            if name not in answers:
                answers[name] = np.zeros((len(rows), values.shape[-1]), np.float32)
            answers[name][places] = values[real]
        seen[places] = True
    if not seen.all():
        raise DatasetError(
            f"{int((~seen).sum())} of {len(rows)} frames were not predicted, "
            f"first of them row {int(rows[np.argmin(seen)])}"
        )
    return answers
