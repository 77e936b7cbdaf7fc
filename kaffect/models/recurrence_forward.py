"""The fused recurrence of Section IV-B: its state, its weights and its way forward."""

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


class Trace(NamedTuple):
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
    """1 where a slot of the window holds an output, 0 where it is empty.

    Args:
        filled: [batch], how many slots hold an output (0 ... length).
        length: slots of the window.

    Returns:
        [batch, length], of the type of `filled`.
    """
    first = length - filled[:, tf.newaxis]
    return tf.cast(tf.cast(tf.range(length), filled.dtype) >= first, filled.dtype)


def attend(scores: Tensor, mask: Tensor | None, axis: int = -1) -> Tensor:
    """Softmax over the slots; masked slots get 0, even if none is filled.

    Args:
        scores: [..., length, ...], unbounded.
        mask: of the same shape, 1 where a slot counts and 0 where not; `None`: all count.
        axis: on which the slots lie.

    Returns:
        Of the same shape, in [0, 1].
    """
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


def stack_step(weights: Weights, projected: Tensor, state: State) -> tuple[list, list, list]:
    """One frame of the GRU layers.

    Args:
        weights: see `Weights`.
        projected: [batch, 3 U_1], the inputs' part of the first layer's pre-activations.
        state: before the frame.

    Returns:
        Per layer: gates [batch, 2 U_k] in (0, 1), candidate and new hidden state [batch, U_k].
    """
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


def forward(projected: Tensor, weights: Weights, state: State, masked: bool) -> tuple:
    """Run all frames.

    Windows are [length, batch, U] in here, and so are the attention's weights: dropping the oldest
    slot is then free.

    Args:
        projected: [time, batch, 3 U_1], the inputs' part of the first layer's pre-activations.
        weights: see `Weights`.
        state: before the first frame.
        masked: leave the empty slots of the window out of the softmax.

    Returns:
        The trace and the last state.
    """
    layers, length = len(state.hidden), state.window.shape[1]
    size, steps = state.window.shape[2], tf.shape(projected)[0]
    shapes = _trace_shapes(projected.shape[1], weights, state)
    arrays = [tf.TensorArray(projected.dtype, steps, element_shape=shape) for shape in shapes]

    def body(t: Tensor, state: State, keys: Tensor, arrays: list) -> tuple:
        gates, candidates, hidden = stack_step(weights, projected[t], state)
        mask = tf.transpose(slot_mask(state.filled, length)) if masked else None
        activation, attention, context = attention_step(weights, hidden, state.window, keys, mask)
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
    return Trace(*parts, *stacked[3 * layers :]), last


def attention_step(
    weights: Weights, hidden: list[Tensor], window: Tensor, keys: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """One frame of the attention.

    Args:
        weights: see `Weights`.
        hidden: per layer [batch, U_k], in (-1, 1).
        window: [length, batch, U], the last outputs, oldest first.
        keys: [length, batch, V], their keys.
        mask: [length, batch], 1 where a slot counts; `None`: all count.

    Returns:
        Activation [length, batch, V] in (-1, 1), attention [length, batch] in [0, 1] and context
        [batch, U].
    """
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
