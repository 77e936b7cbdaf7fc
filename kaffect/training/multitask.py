"""Multi-task training of valence/arousal and expressions (paper Equation 6, Section IV-C.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from kaffect.config.recognition import RecognitionLoss, RecognitionTraining
from kaffect.losses import multitask_loss
from kaffect.models.batch_share import whole_batch
from kaffect.training.adam import make_adam
from kaffect.training.guards import NonFiniteGuard
from kaffect.training.loss_scaling import apply_gradients
from kaffect.training.precision import scaled
from kaffect.training.recomputation import call_recomputing
from kaffect.training.replicas import in_shares, part_of, summed

Batch = Mapping[str, tf.Tensor]
LossFunction = Callable[[Batch, Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]


class MultiTaskTrainer(keras.Model):
    """Trains a network whose inputs and labels come in one dictionary.

    Args:
        network: maps `batch[inputs]` to a dictionary of outputs.
        losses: (batch, outputs) -> {'loss': scalar to minimise, term: scalar, ...}.
        inputs: the key of the batch that feeds the network.
        strategy: of `choose_strategy`, in whose scope the network and the optimiser were made; the
            trainer itself is made outside. Each of its devices gets a share of every batch, and
            losses and updates are those of the whole batch (`kaffect.training.replicas`). None:
            TensorFlow's default device.
        recompute: frames whose activations of the CNN are kept at a time; 0: all
            (`kaffect.training.recomputation`, for networks from images to sequences of outputs).

    `train_step` returns every term of the loss and what `apply_gradients` says of the
    gradients, all of the step just made: a guard can stop within that step.

    A step is a batch. Under loss scaling the update of a batch whose gradients overflow is left
    out, and the next step has the next batch: order of the data, dropout and looks at
    validation depend on the number of steps alone, so that a resumed run is the same. What
    depends on the number of updates (learning rate, Adam's moments) counts those that happened.
    """

    def __init__(
        self,
        network: keras.Model,
        losses: LossFunction,
        *,
        inputs: str,
        strategy: tf.distribute.Strategy | None = None,
        recompute: int = 0,
    ) -> None:
        if tf.distribute.has_strategy():
            # There, `fit` would distribute the batches by itself, which Keras 3.15 cannot.
            raise RuntimeError("a trainer is made outside of the strategy's scope")
        super().__init__(name="trainer")
        self.strategy = strategy or tf.distribute.get_strategy()
        self.network = network
        # What is updated; another network than the one that answers where that is an average.
        self.learner = network
        self.losses_of = losses
        self.inputs_key = inputs
        self.recompute = recompute

    @property
    def trained_variables(self) -> list[Any]:
        """The variables that the optimiser updates."""
        variables: list[Any] = self.learner.trainable_variables
        return variables

    updates_in_batch = 1

    def guard(self, first_step: int) -> NonFiniteGuard:
        """The callback that stops training on values that are not finite."""
        return NonFiniteGuard(first_step)

    @property
    def saved(self) -> dict[str, Any]:
        """The objects that a checkpoint holds, by name."""
        return {"network": self.network, "optimizer": self.optimizer}

    def call(self, inputs: tf.Tensor, training: bool = False) -> Any:
        return self.network(inputs, training=training)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        inputs = data[self.inputs_key]
        if isinstance(self.strategy, tf.distribute.MirroredStrategy):
            return in_shares(self.strategy, inputs, lambda share: self._update(data, share))
        return self._update(data, inputs)

    def _update(self, data: Batch, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update from the whole batch, of which this device computes `inputs`."""
        with tf.GradientTape() as tape:
            if self.recompute:
                outputs = call_recomputing(self.learner, inputs, self.recompute)
            else:
                outputs = self.learner(inputs, training=True)
            terms = self.losses_of(data, keras.tree.map_structure(whole_batch, outputs))
            scaled = self.optimizer.scale_loss(part_of(terms["loss"]))
        variables = self.trained_variables
        # A head whose task has weight 0 has no gradient and is left as it is.
        pairs = [
            (g, v) for g, v in zip(tape.gradient(scaled, variables), variables) if g is not None
        ]
        gradients, trained = (list(part) for part in zip(*pairs))
        return {**terms, **apply_gradients(self.optimizer, summed(gradients), trained)}


def sequence_losses(config: RecognitionLoss) -> LossFunction:
    """Equation 6 as `config` has it, each task over its own labelled frames."""

    def losses(batch: Batch, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return multitask_loss(
            batch,
            outputs,
            alpha=config.va_weight,
            beta=config.expression_weight,
            va_loss=config.va,
            expression_loss=config.expression,
        )

    return losses


def adam(config: RecognitionTraining, policy: str) -> keras.optimizers.Optimizer:
    """Adam as TensorFlow 1 has it (epsilon 1e-8), with loss scaling where the policy needs it."""
    optimizer = make_adam(policy, config.learning_rate, epsilon=config.adam_epsilon)
    return scaled(optimizer, policy)


def compiled(trainer: MultiTaskTrainer, optimizer: keras.optimizers.Optimizer) -> MultiTaskTrainer:
    """Compile without XLA (its CPU convolutions were slower) and build the optimiser's slots."""
    trainer.compile(optimizer=optimizer, jit_compile=False)
    with trainer.strategy.scope():
        optimizer.build(trainer.trained_variables)
    return trainer
