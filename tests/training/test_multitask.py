"""Optimiser and losses that the settings of a sequence network ask for."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from kaffect.config.recognition import RecognitionLoss, RecognitionTraining
from kaffect.training import multitask


def test_float16_scales_the_loss_and_others_do_not() -> None:
    half = multitask.adam(RecognitionTraining(), "mixed_float16")
    assert isinstance(half, keras.optimizers.LossScaleOptimizer)
    half.build([])
    assert float(half.scale_loss(tf.constant(1.0))) > 1.0
    full = multitask.adam(RecognitionTraining(learning_rate=1e-4), "mixed_bfloat16")
    assert float(full.scale_loss(tf.constant(1.0))) == 1.0
    assert full.epsilon == 1e-8
    assert float(full.learning_rate) == pytest.approx(1e-4)


def test_row_settings_reach_the_loss() -> None:
    batch = {
        "valence_arousal": tf.constant([[0.5, -0.5], [0.1, 0.3]]),
        "expression": tf.constant([0, 1]),
    }
    outputs = {
        "valence_arousal": tf.constant([[0.4, -0.1], [0.0, 0.0]]),
        "expression_logits": tf.constant([[2.0, 0.0], [0.0, 0.0]]),
    }
    terms = multitask.sequence_losses(RecognitionLoss("mse", "mse_before_softmax", 0.25, 1.0))(
        batch, outputs
    )
    # By hand: valence (0.01 + 0.01) / 2 = 0.01, arousal (0.16 + 0.09) / 2 = 0.125;
    # expressions: squares (1, 0), (0, 1), mean over four numbers.
    assert float(terms["valence_arousal"]) == pytest.approx(0.0675, abs=1e-6)
    assert float(terms["expression"]) == pytest.approx(0.5, abs=1e-6)
    assert float(terms["loss"]) == pytest.approx(0.25 * 0.0675 + 0.5, abs=1e-6)
