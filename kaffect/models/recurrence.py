"""The fused recurrence of the attention GRU and its gradient (Section IV-B, Figure 5).

Automatic differentiation of a `tf.while_loop` adds up every weight gradient
once per frame. Here the loop back through time only carries the gradients of
the states; each weight gradient is one matrix product over all frames after it.
"""

from __future__ import annotations

import tensorflow as tf

from kaffect.models.recurrence_backward import backward, weight_gradients
from kaffect.models.recurrence_forward import State, Tensor, Weights, forward

_compiled_forward = tf.function(forward, jit_compile=True, reduce_retracing=True)
_compiled_backward = tf.function(backward, jit_compile=True, reduce_retracing=True)


def run(
    projected: Tensor, weights: Weights, state: State, masked: bool, jit_compile: bool = False
) -> tuple[Tensor, Tensor, State]:
    """Run the recurrence over all frames of a batch, differentiable in every tensor but `filled`.

    Args:
        projected: [time, batch, 3 U_1], the inputs' part of the first layer's pre-activations with
            all its biases.
        weights: see `Weights`.
        state: the state before the first frame.
        masked: leave the empty slots of the window out of the softmax (not what TensorFlow 1 did).
        jit_compile: let XLA compile both loops.

    Returns:
        outputs [time, batch, U], attention weights [batch, time, length] (no gradient flows through
        these) and the state after the last frame.
    """
    layers = len(state.hidden)
    ahead = _compiled_forward if jit_compile else forward
    back = _compiled_backward if jit_compile else backward

    def pack(flat: list[Tensor]) -> tuple[Tensor, Weights, State]:
        return tf.nest.pack_sequence_as((projected, weights, state), flat)

    @tf.custom_gradient
    def differentiable(*flat: Tensor) -> tuple:
        inputs, own, first = pack(list(flat))
        trace, last = ahead(inputs, own, first, masked)

        def gradient(d_outputs: Tensor, d_attention: Tensor, *d_flat: Tensor) -> list:
            del d_attention
            d_last = State(tuple(d_flat[:layers]), *d_flat[layers:])
            loops, d_state, d_keys = back(trace, own, first, d_outputs, d_last)
            d_inputs, d_weights = weight_gradients(trace, first, loops, d_keys)
            return tf.nest.flatten((d_inputs, d_weights, d_state))

        attention = tf.transpose(trace.attention, [2, 0, 1])
        return (trace.output, attention, *tf.nest.flatten(last)), gradient

    outputs, attention, *last = differentiable(*tf.nest.flatten((projected, weights, state)))
    return outputs, attention, State(tuple(last[:layers]), *last[layers:])
