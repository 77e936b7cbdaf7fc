"""Graphs of an exported recognition network: uint8 pictures in, named outputs out.

Preprocessing is part of the graph, so that it cannot be forgotten. Batch and time
are unknown; long inputs are cut inside, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.models.preprocessing import ImagePreprocessing
from kaffect.models.recurrence_inference import StreamingHead
from kaffect.serving.images import decode_crops
from kaffect.serving.outputs import served_outputs

# Pictures that go through the CNN at once: a full-width VGG-Face needs 10 MB for each.
BLOCK = 32
# Frames after which a sequence starts anew, as in training (Section IV-C.2).
RESET_EVERY = 80

Tensors = Mapping[str, Any]
Endpoints = dict[str, tuple[Callable[..., Any], dict[str, tf.TensorSpec]]]


class FrameGraph(tf.Module):
    """A network that looks at single pictures.

    Args:
        model: [batch, height, width, 3] -> dict of logits; an input of uint8 is fed as it
            is, one of floats with (x - 128) / 128.
        outputs: which of the model's outputs to serve; all by default.
    """

    def __init__(self, model: keras.Model, outputs: Collection[str] | None = None) -> None:
        super().__init__(name="frames")
        shape = model.input_shape
        if len(shape) != 4 or None in shape[1:] or not isinstance(model.output, dict):
            what = f"{model.name}: a network of single pictures"
            raise ConfigError(
                expected_received(what, "[batch, h, w, 3] -> dictionary", (shape, model.output))
            )
        self.model = model
        self.picture_shape: tuple[int, int, int] = shape[1:]
        self.wanted = _wanted(model, outputs)
        self.features = _features_model(model)
        self._widths = served_widths({name: model.output[name].shape[-1] for name in self.wanted})
        self.prepare = _Prepare(model)

    def predict(self, images: Any) -> dict[str, Any]:
        """[batch, h, w, 3] uint8 -> outputs [batch, k]."""
        return in_blocks(self._outputs, images, self._widths)

    def _outputs(self, images: Any) -> dict[str, Any]:
        logits = self.model(self.prepare(images), training=False)
        return served_outputs({name: logits[name] for name in self.wanted})

    def one_frame(self, images: Any) -> dict[str, Any]:
        """`predict` without a loop, for one picture [1, h, w, 3] on a small machine."""
        return self._outputs(images)

    def predict_encoded(self, images: Any) -> dict[str, Any]:
        """[batch] JPEG or PNG files -> outputs [batch, k]."""
        return self.predict(decode_crops(images, self.picture_shape))

    def encode(self, images: Any) -> dict[str, Any]:
        """[batch, h, w, 3] uint8 -> `features` [batch, n]."""

        network = self.features
        if network is None:
            raise ConfigError(
                f"{self.model.name} has no CNN of its own whose features it could give"
            )

        def features(block: Any) -> dict[str, Any]:
            values = network(self.prepare(block), training=False)
            return {"features": tf.cast(values, tf.float32)}

        width = network.output.shape[-1]
        return in_blocks(features, images, {"features": (tf.float32, (width,))})

    def networks(self) -> tuple[keras.Model, ...]:
        """Whose weights the endpoints read."""
        return (self.model,)

    def endpoints(self) -> Endpoints:
        """Signature name -> function and the tensors that it takes."""
        pictures = tf.TensorSpec([None, *self.picture_shape], tf.uint8, "images")
        files = tf.TensorSpec([None], tf.string, "images")
        found: Endpoints = {
            "serving_default": (self.predict, {"images": pictures}),
            "serve_jpeg": (self.predict_encoded, {"images": files}),
        }
        if self.features is not None:
            found["encode"] = (self.encode, {"images": pictures})
        return found


class SequenceGraph(tf.Module):
    """A network that reads consecutive frames.

    Args:
        encoder: [batch, h, w, 3] -> [batch, features]; see `FrameGraph` for its input.
        head: [batch, time, features] -> dict of logits, see `StreamingHead`.
        outputs: which of the head's outputs to serve; all by default.
        reset_every: frames after which a whole sequence starts anew.
    """

    def __init__(
        self,
        encoder: keras.Model,
        head: keras.Model,
        outputs: Collection[str] | None = None,
        reset_every: int = RESET_EVERY,
    ) -> None:
        super().__init__(name="sequences")
        self.encoder = encoder
        self.head = StreamingHead(head)
        self.wanted = _wanted(head, outputs)
        self._widths = served_widths({name: head.output[name].shape[-1] for name in self.wanted})
        self.picture_shape: tuple[int, int, int] = encoder.input_shape[1:]
        self.reset_every = reset_every
        self.prepare = _Prepare(encoder)

    def encode(self, images: Any) -> dict[str, Any]:
        """[batch, h, w, 3] uint8 -> `features` [batch, n], float32."""

        def features(block: Any) -> dict[str, Any]:
            values = self.encoder(self.prepare(block), training=False)
            return {"features": tf.cast(values, tf.float32)}

        return in_blocks(features, images, {"features": (tf.float32, (self.head.features,))})

    def predict(self, images: Any) -> dict[str, Any]:
        """[batch, time, h, w, 3] uint8 -> outputs [batch, time, k].

        Every `reset_every` frames the state starts from zero; only the features of that many
        frames are held at a time.
        """
        batch, time = tf.shape(images)[0], tf.shape(images)[1]

        def window(start: Any) -> dict[str, Any]:
            frames = images[:, start : start + self.reset_every]
            flat = tf.reshape(frames, [-1, *self.picture_shape])
            features = self.encode(flat)["features"]
            features = tf.reshape(features, [batch, tf.shape(frames)[1], self.head.features])
            outputs, _ = self._continue(features, self.head.initial_state(batch))
            return {name: tf.transpose(value, [1, 0, 2]) for name, value in outputs.items()}

        shapes = {name: (dtype, (None, None, *k)) for name, (dtype, k) in self._widths.items()}
        outputs = concatenated(window, time, self.reset_every, shapes)
        return {name: tf.transpose(value, [1, 0, 2]) for name, value in outputs.items()}

    def predict_encoded(self, images: Any) -> dict[str, Any]:
        """[batch, time] JPEG or PNG files -> outputs [batch, time, k]."""
        flat = decode_crops(tf.reshape(images, [-1]), self.picture_shape)
        return self.predict(tf.reshape(flat, tf.concat([tf.shape(images), self.picture_shape], 0)))

    def stream(self, images: Any, **state: Any) -> dict[str, Any]:
        """One frame of each stream [batch, h, w, 3] and its state -> outputs [batch, k], state."""
        features = self.encode(images)["features"]
        outputs, after = self._continue(features[:, tf.newaxis], state)
        return {**{name: value[:, 0] for name, value in outputs.items()}, **after}

    def one_frame(self, images: Any, **state: Any) -> dict[str, Any]:
        """`stream` without a loop, for one stream [1, h, w, 3] on a small machine."""
        features = tf.cast(self.encoder(self.prepare(images), training=False), tf.float32)
        outputs, after = self._continue(features[:, tf.newaxis], state)
        return {**{name: value[:, 0] for name, value in outputs.items()}, **after}

    def continue_features(self, features: Any, **state: Any) -> dict[str, Any]:
        """Features [batch, time, n] after a state -> outputs [batch, time, k], the state then."""
        outputs, after = self._continue(features, state)
        return {**outputs, **after}

    def _continue(self, features: Any, state: Tensors) -> tuple[dict[str, Any], dict[str, Any]]:
        logits, after = self.head.run(features, state)
        return served_outputs({name: logits[name] for name in self.wanted}), after

    def networks(self) -> tuple[keras.Model, ...]:
        """Whose weights the endpoints read."""
        return self.encoder, self.head.head

    def endpoints(self) -> Endpoints:
        """Signature name -> function and the tensors that it takes."""
        shape = self.picture_shape
        pictures = tf.TensorSpec([None, *shape], tf.uint8, "images")
        features = tf.TensorSpec([None, None, self.head.features], tf.float32, "features")
        state = {
            name: tf.TensorSpec([None, *rest], tf.float32, name)
            for name, rest in self.head.state_shapes.items()
        }
        sequences = tf.TensorSpec([None, None, *shape], tf.uint8, "images")
        files = tf.TensorSpec([None, None], tf.string, "images")
        return {
            "serving_default": (self.predict, {"images": sequences}),
            "serve_jpeg": (self.predict_encoded, {"images": files}),
            "serve_stream": (self.stream, {"images": pictures, **state}),
            "serve_features": (self.continue_features, {"features": features, **state}),
            "encode": (self.encode, {"images": pictures}),
        }


class _Prepare(tf.Module):
    """Pixels 0 ... 255 to what a model's input wants."""

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="prepare")
        self._raw = model.inputs[0].dtype == "uint8"
        self._scale = ImagePreprocessing("paper", dtype="float32")

    def __call__(self, images: Any) -> Any:
        return images if self._raw else self._scale(images)


Widths = Mapping[str, tuple[Any, tuple[int, ...]]]


def in_blocks(
    compute: Callable[[Any], dict[str, Any]], rows: Any, widths: Widths, size: int = BLOCK
) -> dict[str, Any]:
    """`compute` for `size` rows at a time; its outputs [rows, ...] put together.

    Args:
        widths: output -> its type and its shape without the rows.
    """
    total = tf.shape(rows)[0]
    shapes = {name: (dtype, (None, *rest)) for name, (dtype, rest) in widths.items()}
    return concatenated(lambda start: compute(rows[start : start + size]), total, size, shapes)


def concatenated(
    compute: Callable[[Any], dict[str, Any]], total: Any, size: int, shapes: Mapping[str, Any]
) -> dict[str, Any]:
    """`compute(start)` for start = 0, size, ... below `total`, concatenated along axis 0."""
    pieces = tf.maximum(1, (total + size - 1) // size)
    arrays = [
        tf.TensorArray(dtype, pieces, element_shape=shape, infer_shape=False)
        for dtype, shape in shapes.values()
    ]

    def body(i: Any, arrays: list[Any]) -> tuple[Any, list[Any]]:
        values = compute(i * size)
        return i + 1, [array.write(i, values[name]) for array, name in zip(arrays, shapes)]

    # One after the other: pieces side by side would need the memory of all of them.
    _, arrays = tf.while_loop(lambda i, *_: i < pieces, body, (0, arrays), parallel_iterations=1)
    return {name: array.concat() for name, array in zip(shapes, arrays)}


def served_widths(logits: Mapping[str, int]) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Columns of each logit -> type and width of each output that is served."""
    served = served_outputs({name: np.zeros((0, k), np.float32) for name, k in logits.items()})
    return {name: (tf.float32, (value.shape[-1],)) for name, value in served.items()}


def _wanted(model: keras.Model, outputs: Collection[str] | None) -> tuple[str, ...]:
    names = tuple(model.output)
    if outputs is None:
        return names
    unknown = set(outputs) - set(names)
    if unknown or not outputs:
        raise ConfigError(expected_received("Outputs to serve", names, sorted(outputs)))
    return tuple(name for name in names if name in outputs)


def _features_model(model: keras.Model) -> keras.Model | None:
    """The model up to its last vector of features: the output of its CNN, where it has one."""
    nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if nested and len(nested[0].output.shape) == 2:
        return keras.Model(model.inputs, nested[0](model.inputs[0]), name="features")
    return None
