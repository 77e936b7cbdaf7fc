"""Adam as the trainings use it (Section IV-C); in bfloat16 each variable is updated by one kernel.

Keras' Adam is a dozen operations over every weight, the largest part of a step in bfloat16 after
the convolutions. TensorFlow's own kernel makes the same update in one pass. It computes
1 - beta_2 in float32, where Keras does in double precision: moments differ by up to 2e-5 of their
size. Float32 trainings therefore keep Keras' operations, so that their numbers stay what they are.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class _OneKernel:
    """The update of one variable by `ResourceApplyAdam`."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any) -> None:
        """As Keras' own; within a distribution strategy it is that."""
        own: Any = self
        if tf.distribute.has_strategy() or own.amsgrad:
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        place, dtype = own._get_variable_index(variable), variable.dtype
        step = tf.cast(own.iterations + 1, dtype)
        beta_1, beta_2 = tf.constant(own.beta_1, dtype), tf.constant(own.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=own._momentums[place].value.handle,
            v=own._velocities[place].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(own.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


class FusedAdam(_OneKernel, keras.optimizers.Adam):
    """`keras.optimizers.Adam` with the same variables; see the file's first lines."""


class FusedAdamW(_OneKernel, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW`, likewise."""


def make_adam(policy: str, rate: Any, **settings: Any) -> keras.optimizers.Optimizer:
    """Adam for a training in `policy`; with a `weight_decay` among the settings AdamW.

    Args:
        policy: dtype policy that the network computes in.
        rate: learning rate or schedule.
        settings: of `keras.optimizers.Adam` or `keras.optimizers.AdamW`.
    """
    decays, fused = "weight_decay" in settings, policy == "mixed_bfloat16"
    kinds = {
        (False, False): keras.optimizers.Adam,
        (False, True): keras.optimizers.AdamW,
        (True, False): FusedAdam,
        (True, True): FusedAdamW,
    }
    # The variables have the names that Keras gives them, whichever kind it is.
    name = "adamw" if decays else "adam"
    return kinds[fused, decays](rate, name=name, **settings)
