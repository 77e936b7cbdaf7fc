"""A tiny model with the signatures of an export, saved by plain TensorFlow, and a running server.

Its numbers can be worked out with NumPy, so that a test knows the right answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from kaffect.serving.server import folders
from kaffect.serving.server.engine import Engine
from kaffect.serving.server.limits import Limits
from kaffect.serving.server.running import Address, RunningServer
from kaffect.serving.server.servable import Arrays, Models, Servable, Signature, TensorSpec

SIZE = 8
STATE = 4
# Small, so that tests can go beyond them cheaply.
LIMITS = Limits(
    body_bytes=1 << 20,
    tensor_bytes=1 << 20,
    batch=16,
    time=40,
    image_bytes=1 << 16,
    image_pixels=256 * 256,
    request_pixels=8 * 256 * 256,
    concurrent=40,
    # All tests come from one address.
    client_share=1.0,
    deadline=20.0,
    body_seconds=1.0,
    idle_seconds=1.5,
)


class TinyModel(tf.Module):
    """Valence is the mean brightness, arousal its negative; a stream adds up what it saw."""

    def __init__(self, factor: float) -> None:
        super().__init__(name="tiny")
        self.factor = tf.Variable(factor, name="factor")

    def _outputs(self, images: Any) -> dict[str, Any]:
        level = tf.reduce_mean(tf.cast(images, tf.float32), [-3, -2, -1]) / 255.0 * self.factor
        logits = tf.stack([level * i for i in range(7)], -1)
        return {
            "valence_arousal": tf.stack([level, -level], -1),
            "expression_probabilities": tf.nn.softmax(logits),
        }

    def _decoded(self, files: Any) -> Any:
        def one(file: Any) -> Any:
            image = tf.io.decode_image(file, channels=3, expand_animations=False)
            return tf.ensure_shape(image, [SIZE, SIZE, 3])

        return tf.map_fn(one, files, fn_output_signature=tf.TensorSpec([SIZE, SIZE, 3], tf.uint8))

    def signatures(self) -> dict[str, Any]:
        faces, text = [SIZE, SIZE, 3], tf.string

        @tf.function(input_signature=[tf.TensorSpec([None, None, *faces], tf.uint8, "images")])
        def serving_default(images: Any) -> dict[str, Any]:
            return self._outputs(images)

        @tf.function(input_signature=[tf.TensorSpec([None], text, "images")])
        def serve_jpeg(images: Any) -> dict[str, Any]:
            return self._outputs(self._decoded(images))

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, *faces], tf.uint8, "images"),
                tf.TensorSpec([None, STATE], tf.float32, "state"),
            ]
        )
        def serve_stream(images: Any, state: Any) -> dict[str, Any]:
            outputs = self._outputs(images)
            after = state + outputs["valence_arousal"][:, :1]
            return {**outputs, "state": after}

        @tf.function(input_signature=[tf.TensorSpec([None, *faces], tf.uint8, "images")])
        def encode(images: Any) -> dict[str, Any]:
            return {"features": tf.reduce_mean(tf.cast(images, tf.float32), [1, 2])}

        return {
            "serving_default": serving_default,
            "serve_jpeg": serve_jpeg,
            "serve_stream": serve_stream,
            "encode": encode,
        }


class SlowModel:
    """Doubles its input once it is told to."""

    def __init__(self) -> None:
        self.started, self.go = threading.Event(), threading.Event()
        spec = TensorSpec("x", np.dtype("float32"), (None,))
        signature = Signature("serving_default", {"x": spec}, {"y": spec}, self.call)
        self.models = Models([Servable("slow", 1, {"serving_default": signature})])

    def call(self, arrays: Arrays) -> Arrays:
        self.started.set()
        assert self.go.wait(60)
        return {"y": 2 * arrays["x"]}


def valence(images: np.ndarray, factor: float) -> np.ndarray:
    """What the tiny model says, by NumPy."""
    return images.astype(np.float64).mean(axis=(-3, -2, -1)) / 255.0 * factor


def save_tiny(path: Path, factor: float) -> Path:
    """Write the tiny model as a SavedModel, without a manifest."""
    model = TinyModel(factor)
    # The functions are attributes, so that the variable is tracked with them.
    made = model.signatures()
    for name, function in made.items():
        setattr(model, name, function)
    tf.saved_model.save(model, str(path), signatures=made)
    return path


def tiny_servable(path: Path, version: int, name: str = "tiny") -> Any:
    """The saved tiny model as the server takes it, hashes unchecked."""
    return folders.servable(
        name,
        version,
        tf.saved_model.load(str(path)),
        folders.signature_definitions((path / "saved_model.pb").read_bytes()),
    )


def picture(level: int, size: int = SIZE, kind: str = "PNG") -> bytes:
    """An encoded grey image."""
    out = io.BytesIO()
    Image.new("RGB", (size, size), (level,) * 3).save(out, kind)
    return out.getvalue()


@contextlib.contextmanager
def running(
    models: Models,
    limits: Limits = LIMITS,
    demo: Callable[[Engine], Any] | None = None,
    **options: Any,
) -> Iterator[RunningServer]:
    """A server in a thread of its own, on free ports; it must end in order.

    `demo` gives the HTTP handler of an engine, and what to await before the end; `options` are
    those of the server.
    """
    loop = asyncio.new_event_loop()
    started: list[RunningServer] = []

    async def start() -> None:
        engine = Engine(models, limits)
        handler, before_close = demo(engine) if demo else (None, None)
        address = Address(rest_port=0, grpc_port=0)
        server = RunningServer(engine, address, handler, before_close, **options)
        await server.start()
        started.append(server)

    thread = threading.Thread(target=loop.run_forever, name="server", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield started[0]
    finally:
        asyncio.run_coroutine_threadsafe(started[0].stop(2.0), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
