"""Every network of the paper and of the second study, small, with a batch and its loss.

What tests/conformance/test_precision.py and test_networks.py run. Backbones come from the registry;
another new network needs an entry, and tests/conformance/test_registries.py names one that is
missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.losses import fake_loss, framewise_losses, generator_loss, multitask_loss, real_loss
from kaffect.losses.gan import Heads
from kaffect.losses.masking import as_float
from kaffect.models import (
    BACKBONES,
    affect_resnet18,
    dcgan_discriminator,
    dcgan_generator,
    face_features,
    frame_classifier,
    frame_encoder,
    sequence_head,
    ssgan_discriminator,
    ssgan_generator,
    vggface_gru_attention,
)
from tests.three_tasks import labels as labels_of

FRAMES, CLASSES, UNITS = 12, 7, 8


@dataclass(frozen=True)
class Case:
    """A network and what it is trained on.

    Attributes:
        build: seed of all random numbers -> the network, in the dtype policy in force.
        inputs: what it is called with, a NumPy array.
        loss: outputs -> scalar loss.
        covers: the public functions that this case is an example of.
        any_length: seed -> the same network for sequences of any length.
        features: whether what comes out goes on into other layers, not into a loss.
        seed: that the bounds of test_precision.py were measured with.
    """

    build: Callable[[int], keras.Model]
    inputs: np.ndarray
    loss: Callable[[Any], tf.Tensor]
    covers: tuple[str, ...]
    any_length: Callable[[int], keras.Model] | None = None
    features: bool = False
    seed: int = 1


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
    labels = labels_of(rng, (2, FRAMES))

    def build(length: int | None, seed: int) -> keras.Model:
        return sequence_head(
            length, 256, CLASSES, True, implementation, 0.0, (32, 32), attention_length=5, seed=seed
        )

    return Case(
        partial(build, FRAMES),
        rng.normal(size=(2, FRAMES, 256)),
        lambda outputs: multitask_loss(labels, outputs)["loss"],
        ("sequence_head",),
        partial(build, None),
    )


def _end_to_end() -> Case:
    rng = np.random.default_rng(2)
    labels = labels_of(rng, (1, FRAMES))

    def build(length: int | None, seed: int) -> keras.Model:
        return vggface_gru_attention(
            length, CLASSES, image_size=32, width=0.125, fc_units=64, dropout=0.0,
            gru_units=(16, 16), attention_length=5, preprocessing="paper", seed=seed,
        )  # fmt: skip

    return Case(
        partial(build, FRAMES),
        _pictures(rng, FRAMES, 32)[np.newaxis],
        lambda outputs: multitask_loss(labels, outputs)["loss"],
        ("vggface_gru_attention", "frame_encoder"),
        partial(build, None),
        seed=2,
    )


def _single_frames() -> Case:
    rng = np.random.default_rng(3)
    labels = labels_of(rng, (FRAMES,))
    return Case(
        lambda seed: frame_classifier(
            frame_encoder(32, 0.125, 64, "paper", seed=seed), True, CLASSES, UNITS, 0.0, seed
        ),
        _pictures(rng, FRAMES, 32),
        lambda o: multitask_loss(labels, o, alpha=1.0, beta=1.0, action_unit_weight=1.0)["loss"],
        ("frame_classifier", "frame_encoder"),
        seed=3,
    )


def _resnet() -> Case:
    rng = np.random.default_rng(4)
    labels = labels_of(rng, (FRAMES,))
    tasks = ("va", "expression", "au")

    def loss(outputs: Any) -> tf.Tensor:
        terms = framewise_losses(labels, outputs, tasks)
        return tf.add_n(list(terms.values()))

    pictures = _pictures(rng, FRAMES, 48)
    return Case(
        lambda seed: affect_resnet18(48, True, CLASSES, UNITS, width=0.25, seed=seed),
        pictures,
        loss,
        ("affect_resnet18", "affect_network"),
        seed=4,
    )


def _discriminator(function: Callable[..., keras.Model], size: int, width: float) -> Case:
    rng = np.random.default_rng(5)
    heads, labels = Heads(True, UNITS), labels_of(rng, (8,))

    def loss(logits: Any) -> tf.Tensor:
        return real_loss(logits, labels, heads)["loss"] + fake_loss(logits, heads)["loss"]

    pictures = _pictures(rng, 8, size) / 127.5 - 1
    return Case(
        lambda seed: function(width=width, seed=seed), pictures, loss, (function.__name__,), seed=5
    )


def _generator(function: Callable[..., keras.Model], size: int, width: float) -> Case:
    rng = np.random.default_rng(6)
    real, score = rng.uniform(-1, 1, (4, size, size, 3)), rng.normal(size=(size, size, 3))

    def loss(fakes: Any) -> tf.Tensor:
        # A fixed linear score in the discriminator's place: only this network is compared.
        logits = tf.reduce_mean(fakes * tf.cast(score, fakes.dtype), axis=(1, 2, 3))
        return generator_loss(logits, real, fakes, 0.5)["loss"]

    latent = rng.uniform(-1, 1, (4, 100))
    return Case(
        lambda seed: function(width=width, seed=seed), latent, loss, (function.__name__,), seed=6
    )


def _features(function: Callable[..., keras.Model], pixels: bool = False) -> Case:
    """Images to features: the loss is their distance from fixed ones."""
    rng = np.random.default_rng(7)
    pictures = _pictures(rng, 8, 64)

    def loss(features: Any) -> tf.Tensor:
        exact = as_float(features)
        wanted = np.random.default_rng(8).uniform(size=exact.shape)
        return tf.reduce_mean((exact - tf.cast(wanted, exact.dtype)) ** 2)

    return Case(
        lambda seed: function(image_size=64, width=0.125, seed=seed),
        pictures if pixels else pictures / 127.5 - 1,
        loss,
        (function.__name__,),
        features=True,
    )


CASES: dict[str, Callable[[], Case]] = {
    "sequence network, fused": lambda: _sequence("fused"),
    "sequence network, cell": lambda: _sequence("cell"),
    "VGGFACE-GRU-attention": _end_to_end,
    "CNN on single frames": _single_frames,
    "ResNet-18": _resnet,
    "discriminator 32x32": lambda: _discriminator(ssgan_discriminator, 32, 0.25),
    "discriminator 96x96": lambda: _discriminator(dcgan_discriminator, 96, 0.1),
    "generator 32x32": lambda: _generator(ssgan_generator, 32, 0.25),
    "generator 96x96": lambda: _generator(dcgan_generator, 96, 0.1),
    "face features": lambda: _features(face_features, pixels=True),
    **{f"backbone {name}": partial(_features, build) for name, build in BACKBONES.items()},
}
