"""GRU layers with attention over their last 32 outputs, for sequences (Section IV-B, Figure 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.errors import ArtifactError, ConfigError, expected_received
from kaffect.models import recurrence
from kaffect.models.attention_cell import AttentionGRUCell
from kaffect.models.recurrence_forward import State, Tensor, Weights

IMPLEMENTATIONS = ("fused", "cell")

_PREFIX = re.compile(r"^(.*/)?attention_cell_wrapper/")


@tf.custom_gradient
def _fold(kernel: Tensor, first: Tensor) -> tuple[tuple[Tensor, Tensor], Any]:
    """`kernel @ first`: the rows of the inputs and, below them, those of the context.

    With its own gradient, because transposing the large factor, as TensorFlow does for the second
    one, takes half as long again as transposing the small one and the result.
    """

    def gradient(d_inputs: Tensor, d_context: Tensor) -> tuple[Tensor, Tensor]:
        d_folded = tf.concat([d_inputs, d_context], 0)
        d_first = tf.transpose(tf.matmul(d_folded, kernel, transpose_a=True))
        return tf.matmul(d_folded, first, transpose_b=True), d_first

    folded, features = tf.matmul(kernel, first), first.shape[0]
    return (folded[:features], folded[features:]), gradient


def project(inputs: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Inputs of all frames through the folded kernel.

    Args:
        inputs: [batch, time, features], of the kernel's type.
        kernel: [features, 3 units], folded with the input projection.
        bias: [3 units].

    Returns:
        [time, batch, 3 units], of the bias' type.
    """
    features, width = kernel.shape
    projected = tf.matmul(tf.reshape(inputs, [-1, features]), kernel)
    shape = tf.shape(inputs)
    projected = tf.reshape(projected, [shape[0], shape[1], width])
    projected = tf.cast(tf.transpose(projected, [1, 0, 2]), bias.dtype) + bias
    projected.set_shape([inputs.shape[1], inputs.shape[0], width])
    return projected


class _Loop:
    """Keeps Keras' loop over the cell out of the layer's tree: it owns no weights, and so both
    implementations write the same checkpoints."""

    def __init__(self, cell: AttentionGRUCell) -> None:
        self.layer = keras.layers.RNN(
            cell, return_sequences=True, return_state=True, dtype=cell.dtype_policy
        )


@keras.saving.register_keras_serializable("kaffect")
class AttentionGRU(keras.layers.Layer):
    """GRU layers inside an attention wrapper, as TensorFlow 1 computes them.

    The same numbers as `dynamic_rnn(AttentionCellWrapper(MultiRNNCell([GRUCell(n) for n in units]),
    attention_length, state_is_tuple=True), inputs)`; `AttentionGRUCell` has the equations. Not the
    same as `keras.layers.GRU`, which resets after the product and starts its gates without bias.

    Args:
        units: units of each GRU layer.
        attention_length: how many of the last outputs the attention looks at (paper: 32).
        implementation: "fused" multiplies the input projection by the first layer's kernels once,
            takes all frames through the product outside of the loop, computes one attention key
            per frame and has its gradient written by hand; "cell" goes frame by frame. Both have
            the same weights and, to rounding, the same results.
        mask_zero_slots: leave the window's empty slots out of the softmax (not in the paper).
        jit_compile: let XLA compile the loops of "fused" in training (faster by about a fifth on a
            processor, after some seconds for each new shape). Never in inference, so that an
            export needs no XLA where it is served.
        seed: of the initial weights.

    Input: [batch, time, features], unbounded; batch and time may be unknown.
    Output: [batch, time, units[-1]], linear, unbounded; float32 under a half-precision policy,
    so that the heads lose no digits.

    Example:

    >>> layer = AttentionGRU(units=(6, 6), attention_length=4, seed=1)
    >>> layer(np.zeros((2, 11, 7), "float32")).shape
    TensorShape([2, 11, 6])

    Reference: arXiv 1811.07771, Section IV-B; "attention length was chosen to be 32" in IV-C.2.
    """

    def __init__(
        self,
        units: Sequence[int] = (128, 128),
        attention_length: int = 32,
        implementation: str = "fused",
        mask_zero_slots: bool = False,
        jit_compile: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if implementation not in IMPLEMENTATIONS:
            what = "Unknown implementation of an attention GRU"
            raise ConfigError(expected_received(what, IMPLEMENTATIONS, implementation))
        self.implementation = implementation
        self.jit_compile = bool(jit_compile)
        # Only the product over all features is computed in half precision: 80 steps of a
        # recurrence add up rounding errors, and it is a small part of the work.
        half = self.compute_dtype in ("float16", "bfloat16")
        self.cell = AttentionGRUCell(
            units,
            attention_length,
            mask_zero_slots,
            projection_dtype=self.compute_dtype,
            seed=seed,
            dtype="float32" if half else self.compute_dtype,
            name="cell",
        )
        self.units = self.cell.units
        self.attention_length = self.cell.attention_length
        self.mask_zero_slots = self.cell.mask_zero_slots
        self.seed = seed
        self._loop = _Loop(self.cell)

    def build(self, input_shape: Sequence[int | None]) -> None:
        self.cell.build((input_shape[0], input_shape[-1]))
        self.built = True

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:2], self.units[-1])

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if self.implementation == "cell":
            outputs, *_ = self._loop.layer(inputs)
        else:
            outputs, _, _ = self._fused(inputs, None, self.jit_compile and bool(training))
        return outputs

    def initial_state(self, batch_size: int | Tensor = 1) -> State:
        """The state before the first frame: all zeros, no slot filled.

        Args:
            batch_size: scalar.
        """
        return self.cell.initial_state(batch_size)

    def step(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """One frame of a stream.

        Args:
            inputs: [batch, features].
            state: from `initial_state` or the step before.

        Returns:
            The output [batch, units[-1]] and the state for the next frame.
        """
        inputs = tf.cast(inputs, self.compute_dtype)
        self._build_for(inputs)
        output, states = self.cell(inputs, self.cell.flatten(state))
        return output, self.cell.unflatten(states)

    def run(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """A piece of a stream after a state.

        Args:
            inputs: [batch, time, features].
            state: before the piece; `None`: that of `initial_state`.

        Returns:
            Outputs [batch, time, units[-1]] and the state after the piece.
        """
        inputs = tf.cast(inputs, self.compute_dtype)
        self._build_for(inputs)
        outputs, _, last = self._fused(inputs, state)
        return outputs, last

    def attention_weights(self, inputs: Tensor) -> Tensor:
        """Softmax weights over the window, newest slot last.

        Args:
            inputs: [batch, time, features].

        Returns:
            [batch, time, attention_length], in [0, 1].
        """
        inputs = tf.cast(inputs, self.compute_dtype)
        self._build_for(inputs)
        _, attention, _ = self._fused(inputs, None)
        return attention

    def _build_for(self, inputs: Tensor) -> None:
        if not self.built:
            self.build(inputs.shape)

    def _fused(
        self, inputs: Tensor, state: State | None, jit_compile: bool = False
    ) -> tuple[Tensor, Tensor, State]:
        if state is None:
            state = self.cell.initial_state(tf.shape(inputs)[0])
        projected, weights = self._folded(inputs)
        outputs, attention, last = recurrence.run(
            projected, weights, state, self.mask_zero_slots, jit_compile
        )
        return tf.transpose(outputs, [1, 0, 2]), attention, last

    def _folded(self, inputs: Tensor) -> tuple[Tensor, Weights]:
        """The inputs' part of the first layer [time, batch, 3 units], and the loop's weights."""
        kernel, bias, weights = self.folded_weights(self.compute_dtype)
        return project(inputs, kernel, bias), weights

    def folded_weights(self, dtype: str) -> tuple[Tensor, Tensor, Weights]:
        """The first layer's kernel and bias with the input projection folded in; loop's weights.

        `([x, context] W + b) K = x (W_x K) + context (W_c K) + b K`: with 4096 features, 800
        frames and K of 3 * 128 columns the folded product takes half the work of `x W`.

        Args:
            dtype: in which the product is computed.

        Returns:
            [features, 3 U_1] of `dtype`, [3 U_1] and `Weights`.
        """
        cell = self.cell
        features, first = cell.input_bias.shape[0], self.units[0]
        gates, gates_bias, candidate, candidate_bias = map(
            tf.convert_to_tensor, cell.gru_weights(0)
        )
        below, gates = tf.split(gates, [features, first])
        beside, candidate = tf.split(candidate, [features, first])
        kernel = tf.concat([below, beside], 1)
        # Folded in full precision: only the product over all frames is computed in `dtype`.
        folded, context = _fold(tf.convert_to_tensor(cell.input_kernel), kernel)
        bias = tf.linalg.matvec(kernel, cell.input_bias, transpose_a=True)
        bias += tf.concat([gates_bias, candidate_bias], 0)
        return tf.cast(folded, dtype), bias, self._loop_weights(context, gates, candidate)

    def _loop_weights(self, context: Tensor, gates: Tensor, candidate: Tensor) -> Weights:
        cell = self.cell
        joint, biases, candidates = [], [], []
        for k, units in enumerate(self.units):
            below = context
            if k:
                split = self.units[k - 1]
                own = map(tf.convert_to_tensor, cell.gru_weights(k))
                gates, gates_bias, candidate, candidate_bias = own
                below = tf.concat([gates[:split], candidate[:split]], 1)
                gates, candidate = gates[split:], candidate[split:]
                biases.append(tf.concat([gates_bias, candidate_bias], 0))
            own = tf.concat([gates, tf.zeros([units, units], gates.dtype)], 1)
            joint.append(tf.concat([below, own], 0))
            candidates.append(candidate)
        output = tf.concat([cell.output_kernel, cell.output_bias[tf.newaxis]], 0)
        output = tf.concat([output, tf.matmul(output, cell.key_kernel)], 1)
        rest = [cell.query_kernel, cell.query_bias, cell.score, cell.key_kernel]
        tensors = [*map(tf.convert_to_tensor, rest), output[:-1], output[-1]]
        return Weights(tuple(joint), tuple(biases), tuple(candidates), *tensors)

    def tf1_names(self) -> dict[str, keras.Variable]:
        """Variable names below TensorFlow 1's `rnn/attention_cell_wrapper/`, and their weights."""
        cell = self.cell
        names = {
            "kernel": cell.input_kernel,
            "bias": cell.input_bias,
            "attention/attn_w": cell.key_kernel,
            "attention/attn_v": cell.score,
            "attention/kernel": cell.query_kernel,
            "attention/bias": cell.query_bias,
            "attn_output_projection/kernel": cell.output_kernel,
            "attn_output_projection/bias": cell.output_bias,
        }
        for k in range(len(self.units)):
            stack = f"multi_rnn_cell/cell_{k}/" if len(self.units) > 1 else ""
            for part in ("gates", "candidate"):
                names[f"{stack}gru_cell/{part}/kernel"] = getattr(cell, f"{part}_kernel_{k}")
                names[f"{stack}gru_cell/{part}/bias"] = getattr(cell, f"{part}_bias_{k}")
        return names

    def load_tf1_variables(self, mapping: Mapping[str, Any]) -> None:
        """Set every weight from TensorFlow 1 variables.

        Args:
            mapping: variable name to array. Names may start with `.../attention_cell_wrapper/`, and
                if one does, names outside of that scope are other layers' and are left alone.

        Raises:
            ArtifactError: a name is missing or unknown, or an array has another shape.
        """
        scoped = any(_PREFIX.match(name) for name in mapping)
        chosen = {
            _PREFIX.sub("", name).removesuffix(":0"): np.asarray(value)
            for name, value in mapping.items()
            if _PREFIX.match(name) or not scoped
        }
        if not self.built:
            kernel = chosen.get("kernel")
            if kernel is None or kernel.ndim != 2:
                raise ArtifactError(
                    f"TensorFlow 1 variables do not fit {self.name}: missing a matrix 'kernel'; "
                    f"received {sorted(chosen)}"
                )
            self.build((None, None, kernel.shape[1]))
        names = self.tf1_names()
        if set(names) != set(chosen):
            missing, unknown = sorted(set(names) - set(chosen)), sorted(set(chosen) - set(names))
            raise ArtifactError(
                f"TensorFlow 1 variables do not fit {self.name} with units {self.units}: "
                f"missing {missing}, unknown {unknown}"
            )
        for name, variable in names.items():
            if name == "attention/attn_w" and chosen[name].ndim == 4:
                chosen[name] = chosen[name][0, 0]  # a 1x1 convolution's kernel
            if chosen[name].shape != tuple(variable.shape):
                what = f"TensorFlow 1 variable {name}: wrong shape"
                shape = str(tuple(variable.shape))
                raise ArtifactError(expected_received(what, shape, chosen[name].shape))
        for name, variable in names.items():
            variable.assign(chosen[name])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": list(self.units),
            "attention_length": self.attention_length,
            "implementation": self.implementation,
            "mask_zero_slots": self.mask_zero_slots,
            "jit_compile": self.jit_compile,
            "seed": self.seed,
        }
