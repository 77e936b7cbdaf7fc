"""The recurrence of Section IV-B as it is served: outputs only, its state handed over by name.

Training keeps every step for the gradient and folds the input projection anew
for each batch. In use the weights stand still: they are folded once (for 4096
features a fourteenth of the numbers to read for each frame), and a stream goes on from
an explicit state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.models.attention_gru import AttentionGRU, project
from kaffect.models.recurrence_forward import (
    State,
    Tensor,
    Weights,
    attention_step,
    slot_mask,
    stack_step,
)

# Named parts of a state: [batch, ...] each.
NamedState = Mapping[str, Tensor]


class FoldedRecurrence(tf.Module):
    """An `AttentionGRU` with its present weights, for inference; equal to it up to rounding.

    Args:
        layer: built; later changes of its weights are not seen.

    Attributes:
        state_shapes: name of each part of the state -> its shape without the batch:
            `state_hidden_0`, ... [units], `state_context` [units], `state_window`
            [attention_length, units], `state_filled` []. A stream starts with zeros.
    """

    def __init__(self, layer: AttentionGRU) -> None:
        super().__init__(name="recurrence")
        kernel, bias, weights = layer.folded_weights(layer.compute_dtype)
        self.kernel = _fixed(kernel, "kernel")
        self.bias = _fixed(bias, "bias")
        self._structure = tf.nest.map_structure(lambda _: 0, weights)
        self._flat = [_fixed(w, f"weight_{i}") for i, w in enumerate(tf.nest.flatten(weights))]
        self._masked = layer.mask_zero_slots
        self._length, units = layer.attention_length, layer.units
        self.state_shapes: dict[str, tuple[int, ...]] = {
            **{f"state_hidden_{k}": (u,) for k, u in enumerate(units)},
            "state_context": (units[-1],),
            "state_window": (self._length, units[-1]),
            "state_filled": (),
        }

    def run(self, inputs: Tensor, state: NamedState) -> tuple[Tensor, dict[str, Tensor]]:
        """Run a piece of a stream.

        Args:
            inputs: [batch, time, features].
            state: before the piece, as `state_shapes` says.

        Returns:
            Outputs [batch, time, units] and the state after the piece.
        """
        weights: Weights = tf.nest.pack_sequence_as(
            self._structure, [tf.convert_to_tensor(w) for w in self._flat]
        )
        projected = project(tf.cast(inputs, self.kernel.dtype), self.kernel, self.bias)
        first = self._unpack(state)
        window = tf.transpose(first.window, [1, 0, 2])
        keys = tf.tensordot(window, weights.key, 1)
        first = first._replace(window=window)
        if inputs.shape[1] == 1:
            # No loop: faster, and converters for small machines take it.
            output, last, _ = self._frame(weights, projected[0], first, keys)
            return output[:, tf.newaxis], self._pack(last)
        steps, size = tf.shape(projected)[0], window.shape[2]
        outputs = tf.TensorArray(projected.dtype, steps, element_shape=[inputs.shape[0], size])

        def body(t: Tensor, state: State, keys: Tensor, outputs: Any) -> tuple:
            output, state, keys = self._frame(weights, projected[t], state, keys)
            return t + 1, state, keys, outputs.write(t, output)

        _, last, _, outputs = tf.while_loop(
            lambda t, *_: t < steps, body, (0, first, keys, outputs), maximum_iterations=steps
        )
        return tf.transpose(outputs.stack(), [1, 0, 2]), self._pack(last)

    def _frame(
        self, weights: Weights, projected: Tensor, state: State, keys: Tensor
    ) -> tuple[Tensor, State, Tensor]:
        _, _, hidden = stack_step(weights, projected, state)
        mask = tf.transpose(slot_mask(state.filled, self._length)) if self._masked else None
        _, _, context = attention_step(weights, hidden, state.window, keys, mask)
        both = tf.matmul(tf.concat([hidden[-1], context], -1), weights.output)
        both += weights.output_bias
        size = context.shape[-1]
        output = both[:, :size]
        window = tf.concat([state.window[1:], output[tf.newaxis]], 0)
        keys = tf.concat([keys[1:], both[tf.newaxis, :, size:]], 0)
        filled = tf.minimum(state.filled + 1, self._length)
        return output, State(tuple(hidden), context, window, filled), keys

    def _unpack(self, state: NamedState) -> State:
        layers = len(self.state_shapes) - 3
        hidden = tuple(state[f"state_hidden_{k}"] for k in range(layers))
        rest = (state[f"state_{name}"] for name in ("context", "window", "filled"))
        return State(hidden, *rest)

    def _pack(self, state: State) -> dict[str, Tensor]:
        state = state._replace(window=tf.transpose(state.window, [1, 0, 2]))
        named = {f"state_hidden_{k}": h for k, h in enumerate(state.hidden)}
        rest = {"context": state.context, "window": state.window, "filled": state.filled}
        return {**named, **{f"state_{name}": value for name, value in rest.items()}}


class StackedGRU(tf.Module):
    """Keras GRU layers on top of each other (AffWildNet), in the form of `FoldedRecurrence`.

    Args:
        layers: `keras.layers.GRU` with `return_sequences` and `return_state`.
    """

    def __init__(self, layers: list[keras.layers.GRU]) -> None:
        super().__init__(name="recurrence")
        self._layers = layers
        self.state_shapes: dict[str, tuple[int, ...]] = {
            f"state_hidden_{k}": (layer.units,) for k, layer in enumerate(layers)
        }

    def run(self, inputs: Tensor, state: NamedState) -> tuple[Tensor, dict[str, Tensor]]:
        """Run a piece of a stream.

        Args:
            inputs: [batch, time, features].
            state: before the piece, as `state_shapes` says.

        Returns:
            Outputs [batch, time, units] and the state after the piece.
        """
        after = {}
        for name, layer in zip(self.state_shapes, self._layers, strict=True):
            inputs, last = layer(inputs, initial_state=state[name])
            after[name] = tf.cast(last, tf.float32)
        return inputs, after


class StreamingHead(tf.Module):
    """What follows the features of a frame, with an explicit state.

    Args:
        head: [batch, time, features] -> dict of outputs: dropout, then `AttentionGRU` or
            `keras.layers.GRU` layers, then one dense layer for each output; or, without
            recurrence, any model (its state is empty).

    Attributes:
        features: values of a frame; state_shapes: see `FoldedRecurrence`.

    Raises:
        ConfigError: a recurrent model of another build.
    """

    def __init__(self, head: keras.Model) -> None:
        super().__init__(name="head")
        self.head = head
        self.features: int = head.input_shape[-1]
        recurrent = [layer for layer in head.layers if isinstance(layer, _RECURRENT)]
        self.recurrence: FoldedRecurrence | StackedGRU | None = None
        self.dense: dict[str, keras.layers.Layer] = {}
        if recurrent:
            self.dense = _dense_layers(head)
            if isinstance(recurrent[0], AttentionGRU):
                self.recurrence = FoldedRecurrence(recurrent[0])
            else:
                self.recurrence = StackedGRU(recurrent)
        self.state_shapes = {} if self.recurrence is None else self.recurrence.state_shapes

    def initial_state(self, batch: int | Tensor) -> dict[str, Tensor]:
        """The state before the first frame: zeros.

        Args:
            batch: scalar, number of streams.
        """
        return {name: tf.zeros([batch, *shape]) for name, shape in self.state_shapes.items()}

    def run(
        self, features: Tensor, state: NamedState
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Run a piece of a stream.

        Args:
            features: [batch, time, n].
            state: before the piece, as `state_shapes` says.

        Returns:
            Outputs by name, [batch, time, k], and the state after the piece.
        """
        if self.recurrence is None:
            return dict(self.head(features, training=False)), {}
        x, after = self.recurrence.run(features, state)
        return {name: layer(x) for name, layer in self.dense.items()}, after


_RECURRENT = (AttentionGRU, keras.layers.GRU)
_PASSED = (keras.layers.InputLayer, keras.layers.Dropout)


def _dense_layers(head: keras.Model) -> dict[str, keras.layers.Layer]:
    """The output layers by name, where the head is a plain chain up to them."""
    dense = {}
    for layer in head.layers:
        if isinstance(layer, keras.layers.Dense) and layer.name in head.output:
            dense[layer.name] = layer
        elif not isinstance(layer, (*_RECURRENT, *_PASSED)):
            what = f"{head.name}: a recurrent head of another build has a layer {layer.name}"
            raise ConfigError(expected_received(what, "dropout, GRU and dense layers", layer))
    if set(dense) != set(head.output):
        what = f"{head.name}: outputs of a recurrent head"
        raise ConfigError(expected_received(what, "dense layers of the same names", head.output))
    return dense


def _fixed(value: Tensor, name: str) -> tf.Variable:
    return tf.Variable(value, trainable=False, name=name)
