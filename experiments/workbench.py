"""The networks of a table's rows, compiled once and set back to their beginning for each row.

Twelve rows share one architecture; compiling it for each would cost more than
training it in a short profile. A row still starts from exactly the variables
that a network and an optimiser built for it alone would have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from experiments.encoding import Encoder
from kaffect.config import LossConfig, RunConfig
from kaffect.labels import LabelSpace
from kaffect.models import sequence_head, vggface_gru_attention
from kaffect.training.determinism import derived_seed
from kaffect.training.multitask import MultiTaskTrainer, adam, compiled, sequence_losses
from kaffect.training.prediction import predictor


def build_network(config: RunConfig, space: LabelSpace, encoder: Encoder | None) -> keras.Model:
    """The trained part: RNN, attention and outputs on features, or everything end to end."""
    model, data = config.model, config.data
    shared: dict[str, Any] = {
        "expressions": len(space.expressions),
        "implementation": model.implementation,
        "dropout": model.dropout,
        "gru_units": model.gru_units,
        "attention_length": model.attention_length,
        "mask_zero_slots": model.mask_zero_slots,
        "jit_compile": model.jit_compile and model.implementation == "fused",
        "seed": derived_seed(config.train.seed, "sequence network"),
    }
    if config.train.cnn == "fixed":
        return sequence_head(data.sequence_length, features=model.fc_units, **shared)
    network = vggface_gru_attention(
        data.sequence_length,
        image_size=data.image_size,
        width=model.width,
        fc_units=model.fc_units,
        preprocessing=model.preprocessing,
        weights=model.weights,
        **shared,
    )
    if encoder is not None:
        network.get_layer("frame_encoder").set_weights(encoder.network.get_weights())
    return network


class Workbench:
    """One network, one compiled training step for each loss, one compiled prediction.

    Args:
        space: of the labels; policy: the dtype policy in force.
    """

    def __init__(self, space: LabelSpace, policy: str) -> None:
        self.space = space
        self.policy = policy
        self.network: keras.Model | None = None
        self._predict: Callable[[tf.Tensor], dict[str, tf.Tensor]] | None = None
        self._attention: Callable[[tf.Tensor], tf.Tensor] | None = None
        self._trainers: dict[LossConfig, tuple[MultiTaskTrainer, list[np.ndarray]]] = {}

    def trainer(self, config: RunConfig, encoder: Encoder | None) -> MultiTaskTrainer:
        """A trainer for `config`, at its step 0; an earlier one from here is no longer valid."""
        fresh = build_network(config, self.space, encoder)
        if self.network is None:
            self.network, self._predict = fresh, predictor(fresh)
        else:
            # The state of dropout's generator is among the variables.
            for variable, beginning in zip(self.network.variables, fresh.variables, strict=True):
                variable.assign(beginning)
        if config.loss not in self._trainers:
            self._trainers[config.loss] = self._compile(config)
        trainer, beginnings = self._trainers[config.loss]
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

    def _compile(self, config: RunConfig) -> tuple[MultiTaskTrainer, list[np.ndarray]]:
        inputs = "features" if config.train.cnn == "fixed" else "images"
        trainer = compiled(
            MultiTaskTrainer(self.network, sequence_losses(config.loss), inputs=inputs),
            adam(config.train, self.policy),
        )
        return trainer, [variable.numpy() for variable in trainer.optimizer.variables]
