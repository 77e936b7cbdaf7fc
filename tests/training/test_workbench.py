"""Rows that share a compiled network are trained as if alone."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from kaffect.config import RecognitionConfig
from kaffect.labels import AFF_WILD
from kaffect.studies.finding import find_trained
from kaffect.training.multitask import MultiTaskTrainer, adam, compiled, sequence_losses
from kaffect.training.networks import build_network
from kaffect.training.workbench import Workbench


def _config(row: int, seed: int) -> RecognitionConfig:
    small = {"model.fc_units": 6, "model.gru_units": (4, 4), "model.attention_length": 3}
    changes = find_trained("XI").rows[row].changes
    return RecognitionConfig().changed({**small, **changes, "train.seed": seed})


def _batch() -> dict[str, tf.Tensor]:
    generator = np.random.default_rng(0)
    return {
        "features": tf.constant(generator.standard_normal((10, 80, 6)), tf.float32),
        "valence_arousal": tf.constant(generator.uniform(-1, 1, (10, 80, 2)), tf.float32),
        "valence_arousal_mask": tf.ones((10, 80), tf.bool),
        "expression": tf.constant(generator.integers(0, 7, (10, 80)), tf.int32),
        "expression_mask": tf.ones((10, 80), tf.bool),
    }


def _train(trainer: MultiTaskTrainer) -> list[np.ndarray]:
    data = tf.data.Dataset.from_tensors(_batch()).repeat(3)
    trainer.fit(data, steps_per_epoch=3, verbose=0, shuffle=False)
    return [v.numpy() for v in (*trainer.network.variables, *trainer.optimizer.variables)]


def test_a_row_from_the_bench_equals_a_row_trained_alone() -> None:
    """Sharing compiled networks must not let one row see another."""
    bench = Workbench(AFF_WILD, "float32")
    _train(bench.trainer(_config(row=1, seed=3), None))
    _train(bench.trainer(_config(row=9, seed=3), None))
    shared = _train(bench.trainer(_config(row=1, seed=4), None))

    config = _config(row=1, seed=4)
    keras.utils.clear_session()
    alone = compiled(
        MultiTaskTrainer(
            build_network(config, AFF_WILD, None), sequence_losses(config.loss), inputs="features"
        ),
        adam(config.train, "float32"),
    )
    for one, other in zip(shared, _train(alone), strict=True):
        np.testing.assert_array_equal(one, other)


def test_seeds_change_the_beginning_and_nothing_else_does() -> None:
    def first(row: int, seed: int) -> np.ndarray:
        return build_network(_config(row, seed), AFF_WILD, None).get_weights()[0]

    np.testing.assert_array_equal(first(1, 3), first(9, 3))
    assert not np.array_equal(first(1, 3), first(1, 4))
