"""The gradient of the fused recurrence of Section IV-B, back through time."""

from __future__ import annotations

import tensorflow as tf

from kaffect.models.recurrence_forward import State, Tensor, Trace, Weights


def _shifted(first: Tensor, stacked: Tensor) -> Tensor:
    """The value before each frame: the first one given, then all but the last."""
    return tf.concat([first[tf.newaxis], stacked[:-1]], 0)


def backward(
    trace: Trace, weights: Weights, state: State, d_outputs: Tensor, d_last: State
) -> tuple[list[Tensor], State, Tensor]:
    """Back through time.

    Args:
        trace: of the way forward.
        weights: see `Weights`.
        state: before the first frame.
        d_outputs: [time, batch, U], gradient of the outputs.
        d_last: gradient of the state after the last frame.

    Returns:
        Each [time, batch, ...], the gradients of every layer's pre-activations, of the query, of
        output and key, and of the scores; then those of the first state and of its keys
        [length, batch, V].
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
    weights: Weights, trace: Trace, before: list[Tensor], t: Tensor, d_hidden: list[Tensor]
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


def weight_gradients(
    trace: Trace, state: State, loops: list[Tensor], d_keys: Tensor
) -> tuple[Tensor, Weights]:
    """The gradient of every weight: products over all frames, after the loop.

    Args:
        trace: of the way forward.
        state: before the first frame.
        loops: each [time, batch, ...], as `backward` gives them.
        d_keys: [length, batch, V], gradient of the first window's keys.

    Returns:
        [time, batch, 3 U_1], the gradient of the projected inputs, and those of the weights.
    """
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
