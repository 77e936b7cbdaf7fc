"""The fused recurrence of the attention GRU and its gradient (Section IV-B, Figure 5).

Automatic differentiation of a `tf.while_loop` adds up every weight gradient
once per frame. Here the loop back through time only carries the gradients of
the states; each weight gradient is one matrix product over all frames after it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

# TensorFlow's own annotations do not know the operators of a tensor.
Tensor = Any

# Far below any score, and finite: infinity minus infinity would be NaN where no slot is filled.
_MASKED = -1e30


class Weights(NamedTuple):
    """What the loop multiplies by; `n` layers, layer k with U_k units, V = U = U_n.

    Attributes:
        joint: per layer [I_k + U_k, 3 U_k], input and state to gates r, u and candidate; the block
            from the state to the candidate is zero. I_1 = U (the context, folded), I_k = U_{k-1}.
        joint_bias: per layer [3 U_k]; the first layer's is already in the projected inputs, so it
            is left out here.
        candidate: per layer [U_k, U_k], reset state to candidate.
        query, query_bias: [sum U_k, V] and [V].
        score: [V].
        key: [U, V].
        output, output_bias: [2 U, U + V] and [U + V], to the output and, folded, to its key.
    """

    joint: tuple[Tensor, ...]
    joint_bias: tuple[Tensor, ...]
    candidate: tuple[Tensor, ...]
    query: Tensor
    query_bias: Tensor
    score: Tensor
    key: Tensor
    output: Tensor
    output_bias: Tensor


class State(NamedTuple):
    """What one frame hands to the next.

    Attributes:
        hidden: per layer [batch, U_k].
        context: [batch, U], the attention's last answer.
        window: [batch, length, U], the last outputs, oldest first; zeros before the first frame.
        filled: [batch], how many slots of the window hold an output (0 ... length).
    """

    hidden: tuple[Tensor, ...]
    context: Tensor
    window: Tensor
    filled: Tensor


class _Trace(NamedTuple):
    """What the way back needs of the way forward: [time, batch, ...], but the attention's weights
    and the activation of its scores [time, length, batch, ...]."""

    gates: tuple[Tensor, ...]
    candidates: tuple[Tensor, ...]
    hidden: tuple[Tensor, ...]
    context: Tensor
    attention: Tensor
    activation: Tensor
    output: Tensor


def slot_mask(filled: Tensor, length: int) -> Tensor:
    """[batch, length]: 1 where a slot of the window holds an output, 0 where it is empty."""
    first = length - filled[:, tf.newaxis]
    return tf.cast(tf.cast(tf.range(length), filled.dtype) >= first, filled.dtype)


def attend(scores: Tensor, mask: Tensor | None, axis: int = -1) -> Tensor:
    """Softmax over the slots, which lie on `axis`; masked slots get 0, even if none is filled."""
    # Written out: for rows this short oneDNN's softmax costs more than its parts.
    shifted = scores if mask is None else tf.where(mask > 0, scores, _MASKED)
    weights = tf.exp(shifted - tf.reduce_max(shifted, axis, keepdims=True))
    weights /= tf.reduce_sum(weights, axis, keepdims=True)
    return weights if mask is None else weights * mask


def _layer(weights: Weights, k: int, z: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    units = hidden.shape[-1]
    gates = tf.sigmoid(z[:, : 2 * units])
    reset, update = gates[:, :units], gates[:, units:]
    candidate = tf.tanh(z[:, 2 * units :] + tf.matmul(reset * hidden, weights.candidate[k]))
    return gates, candidate, candidate + update * (hidden - candidate)


def _stack_step(weights: Weights, projected: Tensor, state: State) -> tuple[list, list, list]:
    gates, candidates, hidden = [], [], []
    below = state.context
    for k, previous in enumerate(state.hidden):
        z = tf.matmul(tf.concat([below, previous], -1), weights.joint[k])
        z += projected if k == 0 else weights.joint_bias[k - 1]
        layer_gates, candidate, below = _layer(weights, k, z, previous)
        gates.append(layer_gates)
        candidates.append(candidate)
        hidden.append(below)
    return gates, candidates, hidden


def _forward(projected: Tensor, weights: Weights, state: State, masked: bool) -> tuple:
    """Run all frames. Gives the trace and the last state; `projected` is [time, batch, 3 U_1].

    Windows are [length, batch, U] in here, and so are the attention's weights: dropping the oldest
    slot is then free.
    """
    layers, length = len(state.hidden), state.window.shape[1]
    size, steps = state.window.shape[2], tf.shape(projected)[0]
    shapes = _trace_shapes(projected.shape[1], weights, state)
    arrays = [tf.TensorArray(projected.dtype, steps, element_shape=shape) for shape in shapes]

    def body(t: Tensor, state: State, keys: Tensor, arrays: list) -> tuple:
        gates, candidates, hidden = _stack_step(weights, projected[t], state)
        mask = tf.transpose(slot_mask(state.filled, length)) if masked else None
        activation, attention, context = _attention_step(weights, hidden, state.window, keys, mask)
        both = tf.matmul(tf.concat([hidden[-1], context], -1), weights.output)
        both += weights.output_bias
        output = both[:, :size]
        window = tf.concat([state.window[1:], output[tf.newaxis]], 0)
        keys = tf.concat([keys[1:], both[tf.newaxis, :, size:]], 0)
        values = [*gates, *candidates, *hidden, context, attention, activation, output]
        arrays = [array.write(t, value) for array, value in zip(arrays, values)]
        filled = tf.minimum(state.filled + 1, length)
        return t + 1, State(tuple(hidden), context, window, filled), keys, arrays

    first = state._replace(window=tf.transpose(state.window, [1, 0, 2]))
    keys = tf.tensordot(first.window, weights.key, 1)
    _, last, _, arrays = tf.while_loop(
        lambda t, *_: t < steps, body, (0, first, keys, arrays), maximum_iterations=steps
    )
    last = last._replace(window=tf.transpose(last.window, [1, 0, 2]))
    stacked = [array.stack() for array in arrays]
    parts = [tuple(stacked[i * layers : (i + 1) * layers]) for i in range(3)]
    return _Trace(*parts, *stacked[3 * layers :]), last


def _attention_step(
    weights: Weights, hidden: list[Tensor], window: Tensor, keys: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    query = tf.matmul(tf.concat(hidden, -1), weights.query) + weights.query_bias
    activation = tf.tanh(keys + query)
    # Sums of products rather than batched products: these are slow where each is small.
    attention = attend(tf.reduce_sum(activation * weights.score, -1), mask, axis=0)
    return activation, attention, tf.reduce_sum(attention[..., tf.newaxis] * window, 0)


def _trace_shapes(batch: int | None, weights: Weights, state: State) -> list[list[int | None]]:
    units = [hidden.shape[-1] for hidden in state.hidden]
    length, size = state.window.shape[1:]
    return [
        *([batch, 2 * u] for u in units),
        *([batch, u] for u in units),
        *([batch, u] for u in units),
        [batch, size],
        [length, batch],
        [length, batch, weights.score.shape[0]],
        [batch, size],
    ]


def _shifted(first: Tensor, stacked: Tensor) -> Tensor:
    """The value before each frame: the first one given, then all but the last."""
    return tf.concat([first[tf.newaxis], stacked[:-1]], 0)


def _backward(
    trace: _Trace, weights: Weights, state: State, d_outputs: Tensor, d_last: State
) -> tuple[list[Tensor], State, Tensor]:
    """Back through time.

    Gives, each [time, batch, ...], the gradients of every layer's pre-activations, of the query,
    of output and key, and of the scores; then those of the first state and of its keys.
    """
    length, steps = state.window.shape[1], tf.shape(d_outputs)[0]
    units = [hidden.shape[-1] for hidden in state.hidden]
    size, batch, vector = units[-1], d_outputs.shape[1], weights.score.shape[0]
    before = [_shifted(h0, h) for h0, h in zip(state.hidden, trace.hidden)]
    # Window of frame t = rows t ... t + length - 1 of this.
    history = tf.concat([tf.transpose(state.window, [1, 0, 2]), trace.output], 0)
    sizes = [*(3 * u for u in units), vector, size + vector]
    shapes = [*([batch, n] for n in sizes), [length, batch]]
    arrays = [tf.TensorArray(d_outputs.dtype, steps, element_shape=shape) for shape in shapes]
    empty = tf.zeros_like(trace.activation[0, :1])

    def body(t: Tensor, carry: tuple, arrays: list) -> tuple:
        d_hidden, d_context, d_window, d_keys = carry
        d_both = tf.concat([d_outputs[t] + d_window[-1], d_keys[-1]], -1)
        below = tf.matmul(d_both, weights.output, transpose_b=True)
        d_context += below[:, size:]
        attention, window = trace.attention[t], history[t : t + length]
        d_scores, d_pre = _attention_back(
            weights, trace.activation[t], attention, window, d_context
        )
        d_query = tf.reduce_sum(d_pre, 0)
        d_window = tf.concat([tf.zeros_like(d_window[:1]), d_window[:-1]], 0)
        d_window += attention[..., tf.newaxis] * d_context
        d_keys = tf.concat([empty, d_keys[:-1]], 0) + d_pre
        from_query = tf.split(tf.matmul(d_query, weights.query, transpose_b=True), units, -1)
        d_hidden = [a + b for a, b in zip(d_hidden, from_query)]
        d_hidden[-1] += below[:, :size]
        d_joint, d_context, d_hidden = _stack_back(weights, trace, before, t, d_hidden)
        values = [*d_joint, d_query, d_both, d_scores]
        arrays = [array.write(t, value) for array, value in zip(arrays, values)]
        return t - 1, (d_hidden, d_context, d_window, d_keys), arrays

    d_window = tf.transpose(d_last.window, [1, 0, 2])
    carry = (list(d_last.hidden), d_last.context, d_window, tf.zeros_like(trace.activation[0]))
    _, (d_hidden, d_context, d_window, d_keys), arrays = tf.while_loop(
        lambda t, *_: t >= 0, body, (steps - 1, carry, arrays), maximum_iterations=steps
    )
    d_window += tf.tensordot(d_keys, weights.key, [[2], [1]])
    d_window = tf.transpose(d_window, [1, 0, 2])
    d_state = State(tuple(d_hidden), d_context, d_window, tf.zeros_like(state.filled))
    return [array.stack() for array in arrays], d_state, d_keys


def _attention_back(
    weights: Weights, activation: Tensor, attention: Tensor, window: Tensor, d_context: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of the scores [length, batch] and of key plus query [length, batch, V]."""
    d_attention = tf.reduce_sum(window * d_context, -1)
    d_scores = attention * (d_attention - tf.reduce_sum(attention * d_attention, 0))
    outer = d_scores[..., tf.newaxis] * weights.score
    return d_scores, tf.raw_ops.TanhGrad(y=activation, dy=outer)


def _stack_back(
    weights: Weights, trace: _Trace, before: list[Tensor], t: Tensor, d_hidden: list[Tensor]
) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Back through the layers of frame `t`, the last one first: gradients of each layer's
    pre-activations, of the context before the frame and of the states before it."""
    d_joint, d_hidden = list(d_hidden), list(d_hidden)
    d_below: Tensor = None
    for k in reversed(range(len(d_hidden))):
        total = d_hidden[k] if d_below is None else d_hidden[k] + d_below
        gates, candidate = trace.gates[k][t], trace.candidates[k][t]
        d_joint[k], d_below, d_hidden[k] = _layer_back(
            weights, k, gates, candidate, before[k][t], total
        )
    return d_joint, d_below, d_hidden


def _layer_back(
    weights: Weights, k: int, gates: Tensor, candidate: Tensor, before: Tensor, d_new: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    units = before.shape[-1]
    reset, update = gates[:, :units], gates[:, units:]
    d_candidate = tf.raw_ops.TanhGrad(y=candidate, dy=d_new * (1 - update))
    d_reset_state = tf.matmul(d_candidate, weights.candidate[k], transpose_b=True)
    d_gates = tf.concat([d_reset_state * before, d_new * (before - candidate)], -1)
    d_gates = tf.raw_ops.SigmoidGrad(y=gates, dy=d_gates)
    d_joint = tf.concat([d_gates, d_candidate], -1)
    d_both = tf.matmul(d_joint, weights.joint[k], transpose_b=True)
    below = weights.joint[k].shape[0] - units
    d_before = d_new * update + d_reset_state * reset + d_both[:, below:]
    return d_joint, d_both[:, :below], d_before


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Sum over time and batch of outer products: the gradient of a weight used at every frame."""
    rows = tf.reshape(left, [-1, left.shape[-1]])
    return tf.matmul(rows, tf.reshape(right, [-1, right.shape[-1]]), transpose_a=True)


def _weight_gradients(
    trace: _Trace, state: State, loops: list[Tensor], d_keys: Tensor
) -> tuple[Tensor, Weights]:
    layers = len(state.hidden)
    d_joint = loops[:layers]
    d_query, d_both, d_scores = loops[layers:]
    before = [_shifted(h0, h) for h0, h in zip(state.hidden, trace.hidden)]
    below = [_shifted(state.context, trace.context), *trace.hidden[:-1]]
    joint, candidate = [], []
    for k, previous in enumerate(before):
        units = previous.shape[-1]
        joint.append(_product(tf.concat([below[k], previous], -1), d_joint[k]))
        reset_state = trace.gates[k][..., :units] * previous
        candidate.append(_product(reset_state, d_joint[k][..., 2 * units :]))
    gradients = Weights(
        joint=tuple(joint),
        joint_bias=tuple(tf.reduce_sum(d, [0, 1]) for d in d_joint[1:]),
        candidate=tuple(candidate),
        query=_product(tf.concat(trace.hidden, -1), d_query),
        query_bias=tf.reduce_sum(d_query, [0, 1]),
        score=tf.squeeze(_product(trace.activation, d_scores[..., tf.newaxis]), -1),
        # Only the keys of the first window are made with it; later ones are folded in `output`.
        key=_product(tf.transpose(state.window, [1, 0, 2]), d_keys),
        output=_product(tf.concat([trace.hidden[-1], trace.context], -1), d_both),
        output_bias=tf.reduce_sum(d_both, [0, 1]),
    )
    return d_joint[0], gradients


_compiled_forward = tf.function(_forward, jit_compile=True, reduce_retracing=True)
_compiled_backward = tf.function(_backward, jit_compile=True, reduce_retracing=True)


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
    forward = _compiled_forward if jit_compile else _forward
    backward = _compiled_backward if jit_compile else _backward

    def pack(flat: list[Tensor]) -> tuple[Tensor, Weights, State]:
        return tf.nest.pack_sequence_as((projected, weights, state), flat)

    @tf.custom_gradient
    def differentiable(*flat: Tensor) -> tuple:
        inputs, own, first = pack(list(flat))
        trace, last = forward(inputs, own, first, masked)

        def gradient(d_outputs: Tensor, d_attention: Tensor, *d_flat: Tensor) -> list:
            del d_attention
            d_last = State(tuple(d_flat[:layers]), *d_flat[layers:])
            loops, d_state, d_keys = backward(trace, own, first, d_outputs, d_last)
            d_inputs, d_weights = _weight_gradients(trace, first, loops, d_keys)
            return tf.nest.flatten((d_inputs, d_weights, d_state))

        attention = tf.transpose(trace.attention, [2, 0, 1])
        return (trace.output, attention, *tf.nest.flatten(last)), gradient

    outputs, attention, *last = differentiable(*tf.nest.flatten((projected, weights, state)))
    return outputs, attention, State(tuple(last[:layers]), *last[layers:])
