"""The compiled network that the rows of a table share, reset for each row.

Twelve rows share one architecture; compiling it for each would cost more than
training it in a short profile. A row still starts from exactly the variables
that a network and an optimiser built for it alone would have.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kaffect.config.recognition import RecognitionConfig, RecognitionLoss
from kaffect.labels import LabelSpace
from kaffect.training.multitask import MultiTaskTrainer, adam, compiled, sequence_losses
from kaffect.training.networks import build_network
from kaffect.training.prediction import predictor


class Workbench:
    """One network, one compiled training step for each loss, one compiled prediction.

    Args:
        space: of the labels; precision: of every configuration that is asked for.
        strategy: of `choose_strategy`; None: one device.
    """

    def __init__(
        self, space: LabelSpace, precision: str, strategy: tf.distribute.Strategy | None = None
    ) -> None:
        self.space = space
        self.precision = precision
        self.strategy = strategy or tf.distribute.get_strategy()
        self.network: keras.Model | None = None
        self._predict: Callable[[tf.Tensor], dict[str, tf.Tensor]] | None = None
        self._attention: Callable[[tf.Tensor], tf.Tensor] | None = None
        self._trainers: dict[
            tuple[RecognitionLoss, int], tuple[MultiTaskTrainer, list[np.ndarray]]
        ] = {}

    def trainer(self, config: RecognitionConfig, encoder: keras.Model | None) -> MultiTaskTrainer:
        """A trainer for `config` at step 0; it makes those returned before invalid.

        Args:
            encoder: whose weights a network that is trained end to end starts from.
        """
        with self.strategy.scope():
            fresh = build_network(config, self.space, encoder)
        if self.network is None:
            self.network, self._predict = fresh, predictor(fresh)
        else:
            # The state of dropout's generator is among the variables.
            for variable, beginning in zip(self.network.variables, fresh.variables, strict=True):
                variable.assign(beginning)
        kind = (config.loss, config.train.recompute)
        if kind not in self._trainers:
            self._trainers[kind] = self._compile(config)
        trainer, beginnings = self._trainers[kind]
        for variable, value in zip(trainer.optimizer.variables, beginnings, strict=True):
            variable.assign(value)
        trainer.optimizer.learning_rate = config.train.learning_rate
        return trainer

    def predict(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The network's answer in inference mode, with the weights that it has now."""
        if self._predict is None:
            raise RuntimeError("there is no network yet: ask for a trainer first")
        return self._predict(inputs)

    def attention(self, features: tf.Tensor) -> tf.Tensor:
        """Attention weights [batch, time, length] of the fixed CNN's `features`."""
        if self.network is None:
            raise RuntimeError("there is no network yet: ask for a trainer first")
        if self._attention is None:
            layer = self.network.get_layer("attention_gru")
            self._attention = tf.function(layer.attention_weights)
        return self._attention(features)

    def _compile(self, config: RecognitionConfig) -> tuple[MultiTaskTrainer, list[np.ndarray]]:
        inputs = "features" if config.train.cnn == "fixed" else "images"
        trainer = MultiTaskTrainer(
            self.network,
            sequence_losses(config.loss),
            inputs=inputs,
            strategy=self.strategy,
            recompute=config.train.recompute,
        )
        with self.strategy.scope():
            optimizer = adam(config.train, self.precision)
        compiled(trainer, optimizer)
        return trainer, [variable.numpy() for variable in trainer.optimizer.variables]
