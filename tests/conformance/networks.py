"""Every network of the paper and of the second study, small, with a batch and its loss.

Serves the checks that all networks pass through alike. The second batch of a network is never
needed: what is compared is one update of one network in two number formats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.losses import fake_loss, framewise_losses, generator_loss, multitask_loss, real_loss
from kaffect.losses.gan import Heads
from kaffect.models import (
    affect_resnet18,
    dcgan_discriminator,
    dcgan_generator,
    frame_classifier,
    frame_encoder,
    sequence_head,
    ssgan_discriminator,
    ssgan_generator,
    vggface_gru_attention,
)

FRAMES, CLASSES, UNITS = 12, 7, 8


@dataclass(frozen=True)
class Case:
    """A network and what it is trained on.

    Attributes:
        build: the network, in the dtype policy in force.
        inputs: what it is called with, a NumPy array.
        loss: outputs -> scalar loss.
    """

    build: Callable[[], keras.Model]
    inputs: np.ndarray
    loss: Callable[[Any], tf.Tensor]


def _labels(rng: np.random.Generator, shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "valence_arousal": rng.uniform(-1, 1, (*shape, 2)),
        "valence_arousal_mask": rng.uniform(size=shape) > 0.2,
        "expression": rng.integers(0, CLASSES, shape),
        "expression_mask": rng.uniform(size=shape) > 0.2,
        "action_units": (rng.uniform(size=(*shape, UNITS)) > 0.5).astype(np.float64),
        "action_units_mask": rng.uniform(size=shape) > 0.2,
    }


def _pictures(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """uint8 [count, size, size, 3], each of its own colours and coarse pattern.

    Of plain noise a network makes nearly the same features every time, and rounding is then a
    large part of what tells two pictures apart.
    """
    coarse = rng.uniform(0, 1, (count, 4, 4, 3)).repeat(size // 4, axis=1).repeat(size // 4, axis=2)
    tint = rng.uniform(0, 1, (count, 1, 1, 3))
    return (255 * (0.5 * coarse + 0.5 * tint)).astype(np.uint8)


def _sequence(implementation: str) -> Case:
    rng = np.random.default_rng(1)
    labels = _labels(rng, (2, FRAMES))
    return Case(
        lambda: sequence_head(
            FRAMES, 256, CLASSES, True, implementation, 0.0, (32, 32), attention_length=5, seed=1
        ),
        rng.normal(size=(2, FRAMES, 256)),
        lambda outputs: multitask_loss(labels, outputs)["loss"],
    )


def _end_to_end() -> Case:
    rng = np.random.default_rng(2)
    labels = _labels(rng, (1, FRAMES))
    return Case(
        lambda: vggface_gru_attention(
            FRAMES, CLASSES, image_size=32, width=0.125, fc_units=64, dropout=0.0,
            gru_units=(16, 16), attention_length=5, preprocessing="paper", seed=2,
        ),
        _pictures(rng, FRAMES, 32)[np.newaxis],
        lambda outputs: multitask_loss(labels, outputs)["loss"],
    )  # fmt: skip


def _single_frames() -> Case:
    rng = np.random.default_rng(3)
    labels = _labels(rng, (FRAMES,))
    return Case(
        lambda: frame_classifier(
            frame_encoder(32, 0.125, 64, "paper", seed=3), True, CLASSES, UNITS, 0.0, 3
        ),
        _pictures(rng, FRAMES, 32),
        lambda o: multitask_loss(labels, o, alpha=1.0, beta=1.0, action_unit_weight=1.0)["loss"],
    )


def _resnet() -> Case:
    rng = np.random.default_rng(4)
    labels = _labels(rng, (FRAMES,))
    tasks = ("va", "expression", "au")

    def loss(outputs: Any) -> tf.Tensor:
        terms = framewise_losses(labels, outputs, tasks)
        return tf.add_n(list(terms.values()))

    pictures = _pictures(rng, FRAMES, 48)
    return Case(
        lambda: affect_resnet18(48, True, CLASSES, UNITS, width=0.25, seed=4), pictures, loss
    )


def _discriminator(build: Callable[[], keras.Model], size: int) -> Case:
    rng = np.random.default_rng(5)
    heads, labels = Heads(True, UNITS), _labels(rng, (8,))

    def loss(logits: Any) -> tf.Tensor:
        return real_loss(logits, labels, heads)["loss"] + fake_loss(logits, heads)["loss"]

    return Case(build, _pictures(rng, 8, size) / 127.5 - 1, loss)


def _generator(build: Callable[[], keras.Model], size: int) -> Case:
    rng = np.random.default_rng(6)
    real, score = rng.uniform(-1, 1, (4, size, size, 3)), rng.normal(size=(size, size, 3))

    def loss(fakes: Any) -> tf.Tensor:
        # A fixed linear score in the discriminator's place: only this network is compared.
        logits = tf.reduce_mean(fakes * tf.cast(score, fakes.dtype), axis=(1, 2, 3))
        return generator_loss(logits, real, fakes, 0.5)["loss"]

    return Case(build, rng.uniform(-1, 1, (4, 100)), loss)


CASES: dict[str, Callable[[], Case]] = {
    "sequence network, fused": lambda: _sequence("fused"),
    "sequence network, cell": lambda: _sequence("cell"),
    "VGGFACE-GRU-attention": _end_to_end,
    "CNN on single frames": _single_frames,
    "ResNet-18": _resnet,
    "discriminator 32x32": lambda: _discriminator(
        lambda: ssgan_discriminator(width=0.25, seed=5), 32
    ),
    "discriminator 96x96": lambda: _discriminator(
        lambda: dcgan_discriminator(width=0.1, seed=5), 96
    ),
    "generator 32x32": lambda: _generator(lambda: ssgan_generator(width=0.25, seed=6), 32),
    "generator 96x96": lambda: _generator(lambda: dcgan_generator(width=0.1, seed=6), 96),
}
