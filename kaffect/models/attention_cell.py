"""One frame of the recurrence: a GRU stack inside an attention wrapper (Section IV-B, Figure 5).

The paper says "an attention layer on top of the RNN layer"; in the TensorFlow of its time that was
`tf.contrib.rnn.AttentionCellWrapper` around `MultiRNNCell([GRUCell, GRUCell])`, which this follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.models.initialisers import derived_seed
from kaffect.models.recurrence_forward import State, Tensor, attend, slot_mask


def recurrence_sizes(units: Sequence[int], attention_length: int) -> tuple[int, ...]:
    """Check the sizes of a recurrence and give `units` as a tuple.

    Raises:
        ConfigError: a size is not a positive integer.
    """
    accepted = units if isinstance(units, Sequence) else [units]
    sizes = [*accepted, attention_length]
    if not accepted or any(not isinstance(n, (int, np.integer)) or n < 1 for n in sizes):
        what = "units and attention_length of an attention GRU"
        raise ConfigError(expected_received(what, "positive integers", (units, attention_length)))
    return tuple(int(n) for n in accepted)


@keras.saving.register_keras_serializable("kaffect")
class AttentionGRUCell(keras.layers.Layer):
    """One step of the attention GRU, as TensorFlow 1 computes it.

    1. `x' = [x, context] W + b`, as wide as `x`.
    2. The GRU layers in turn: `r, u = sigmoid([x', h] W_g + b_g)`, `c = tanh([x', r h] W_c + b_c)`,
       `h = u h + (1 - u) c`; each layer's new `h` is the next one's `x'`.
    3. `q = [h_1, ..., h_n] W_q + b_q`; slot i of the window scores `v . tanh(W_k h_i + q)`; the new
       `context` is the window averaged with the softmax of the scores. The window holds the last
       `attention_length` outputs and starts with zeros, and these zero slots count in the softmax.
    4. `output = [h_n, context] W_o + b_o`; it replaces the oldest slot of the window.

    Weights start as TensorFlow 1 starts them: Glorot uniform, gate biases 1, other biases 0.
    Everything but the input projection is computed in float32 under a half-precision policy.

    Args:
        units: units of each GRU layer.
        attention_length: slots of the window.
        mask_zero_slots: leave empty slots out of the softmax (not in the paper).
        projection_dtype: in which type `[x, context] W` is computed; default the layer's.
        seed: of the initial weights.

    Call arguments:
        inputs: [batch, features].
        states: per layer [batch, units_k], then context [batch, units_n], window
            [batch, attention_length * units_n] and the number of filled slots [batch, 1].

    Returns:
        output [batch, units_n] and the new states.
    """

    def __init__(
        self,
        units: Sequence[int] = (128, 128),
        attention_length: int = 32,
        mask_zero_slots: bool = False,
        projection_dtype: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.units = recurrence_sizes(units, attention_length)
        self.attention_length = int(attention_length)
        self.mask_zero_slots = bool(mask_zero_slots)
        self.projection_dtype = projection_dtype or self.compute_dtype
        half = self.compute_dtype in ("float16", "bfloat16")
        self.state_dtype = "float32" if half else self.compute_dtype
        self.seed = seed
        last = self.units[-1]
        self.state_size = [*self.units, last, self.attention_length * last, 1]
        self.output_size = last

    def _weight(self, name: str, shape: tuple[int, ...], place: int, bias: float | None) -> Any:
        if bias is None:
            start = keras.initializers.GlorotUniform(seed=derived_seed(self.seed, place))
        else:
            start = keras.initializers.Constant(bias)
        return self.add_weight(name=name, shape=shape, initializer=start, autocast=False)

    def build(self, input_shape: Sequence[int | None]) -> None:
        features, last = input_shape[-1], self.units[-1]
        if features is None:
            raise ConfigError(f"{self.name}: the number of features must be known when it is built")
        self.input_kernel = self._weight("input_kernel", (features + last, features), 0, None)
        self.input_bias = self._weight("input_bias", (features,), 0, 0.0)
        below = features
        for k, units in enumerate(self.units):
            self._build_gru(k, below, units)
            below = units
        self.key_kernel = self._weight("key_kernel", (last, last), 1, None)
        self.score = self._weight("score", (last,), 2, None)
        self.query_kernel = self._weight("query_kernel", (sum(self.units), last), 3, None)
        self.query_bias = self._weight("query_bias", (last,), 0, 0.0)
        self.output_kernel = self._weight("output_kernel", (2 * last, last), 4, None)
        self.output_bias = self._weight("output_bias", (last,), 0, 0.0)
        self.built = True

    def _build_gru(self, k: int, below: int, units: int) -> None:
        # One attribute per weight: tf.train.Checkpoint does not see variables in a list.
        place = 10 + 2 * k
        for name, bias, width in (("gates", 1.0, 2 * units), ("candidate", 0.0, units)):
            # Gate bias 1: at the start a state is kept rather than replaced, as in TensorFlow 1.
            kernel = self._weight(f"{name}_kernel_{k}", (below + units, width), place, None)
            setattr(self, f"{name}_kernel_{k}", kernel)
            setattr(self, f"{name}_bias_{k}", self._weight(f"{name}_bias_{k}", (width,), 0, bias))
            place += 1

    def gru_weights(self, k: int) -> tuple[Any, Any, Any, Any]:
        """Gates kernel and bias, candidate kernel and bias of layer `k`."""
        names = ("gates_kernel", "gates_bias", "candidate_kernel", "candidate_bias")
        gates, gates_bias, candidate, candidate_bias = (getattr(self, f"{n}_{k}") for n in names)
        return gates, gates_bias, candidate, candidate_bias

    def call(self, inputs: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, list]:
        state = self.unflatten(states)
        projected = tf.concat([inputs, tf.cast(state.context, inputs.dtype)], -1)
        kernel = tf.cast(self.input_kernel, self.projection_dtype)
        projected = tf.matmul(tf.cast(projected, self.projection_dtype), kernel)
        output, new, _ = self.after_projection(
            tf.cast(projected, self.state_dtype) + self.input_bias, state
        )
        return output, self.flatten(new)

    def after_projection(self, below: Tensor, state: State) -> tuple[Tensor, State, Tensor]:
        """Steps 2 to 4: output, new state and the attention weights.

        Args:
            below: [batch, features], the projected input of step 1, unbounded.
            state: before this frame.

        Returns:
            [batch, units[-1]], the state after this frame, and [batch, attention_length] in [0, 1].
        """
        hidden = []
        for k, (units, previous) in enumerate(zip(self.units, state.hidden)):
            kernel, bias, candidate_kernel, candidate_bias = self.gru_weights(k)
            gates = tf.sigmoid(tf.matmul(tf.concat([below, previous], -1), kernel) + bias)
            reset, update = gates[:, :units], gates[:, units:]
            both = tf.concat([below, reset * previous], -1)
            candidate = tf.matmul(both, candidate_kernel) + candidate_bias
            below = update * previous + (1 - update) * tf.tanh(candidate)
            hidden.append(below)
        attention = self.attention(tuple(hidden), state.window, state.filled)
        context = tf.linalg.matvec(state.window, attention, transpose_a=True)
        output = tf.matmul(tf.concat([below, context], -1), self.output_kernel) + self.output_bias
        window = tf.concat([state.window[:, 1:], output[:, tf.newaxis]], 1)
        filled = tf.minimum(state.filled + 1, self.attention_length)
        return output, State(tuple(hidden), context, window, filled), attention

    def attention(self, hidden: tuple[Tensor, ...], window: Tensor, filled: Tensor) -> Tensor:
        """Step 3's softmax: one weight for each slot of the window.

        Args:
            hidden: per layer [batch, units_k], in (-1, 1).
            window: [batch, attention_length, units[-1]], the last outputs, oldest first.
            filled: [batch], how many slots hold an output (0 ... attention_length).

        Returns:
            [batch, attention_length], in [0, 1].
        """
        query = tf.matmul(tf.concat(hidden, -1), self.query_kernel) + self.query_bias
        keys = tf.tensordot(window, self.key_kernel, 1)
        scores = tf.linalg.matvec(tf.tanh(keys + query[:, tf.newaxis]), self.score)
        mask = slot_mask(filled, self.attention_length) if self.mask_zero_slots else None
        return attend(scores, mask)

    def initial_state(self, batch_size: int | Tensor) -> State:
        """The state before the first frame: all zeros, no slot filled.

        Args:
            batch_size: scalar.
        """
        return self.unflatten(self.get_initial_state(batch_size))

    def get_initial_state(self, batch_size: int | Tensor) -> list[Tensor]:
        """The state before the first frame as `keras.layers.RNN` carries it.

        Args:
            batch_size: scalar.

        Returns:
            A list of zeros [batch_size, size], as `flatten` gives it.
        """
        return [tf.zeros([batch_size, size], self.state_dtype) for size in self.state_size]

    def flatten(self, state: State) -> list[Tensor]:
        """A state as `keras.layers.RNN` carries it: a list of [batch, size]."""
        width = self.attention_length * self.units[-1]
        window = tf.reshape(state.window, [-1, width])
        return [*state.hidden, state.context, window, state.filled[:, tf.newaxis]]

    def unflatten(self, states: Sequence[Tensor]) -> State:
        """The inverse of `flatten`.

        Args:
            states: each [batch, size]; sizes as in `state_size`.
        """
        *hidden, context, window, filled = states
        window = tf.reshape(window, [-1, self.attention_length, self.units[-1]])
        return State(tuple(hidden), context, window, filled[:, 0])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": list(self.units),
            "attention_length": self.attention_length,
            "mask_zero_slots": self.mask_zero_slots,
            "projection_dtype": self.projection_dtype,
            "seed": self.seed,
        }
