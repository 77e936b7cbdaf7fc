"""Losses of the semi-supervised GANs (paper Eq. 1-3, Section IV-C.1), from the logits.

Eq. 1 is the sum of the generator's loss (`generator_loss`, Eq. 2) and the
discriminator's two (`real_loss` and `fake_loss`, Eq. 3); each network minimises
its own part. Output order: valence, arousal, Action Units, fake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kaffect.errors import ConfigError, expected_received
from kaffect.losses.au import sigmoid_cross_entropy
from kaffect.losses.masking import Tensor, as_float
from kaffect.losses.registry import loss_function

# Section IV-C.1: a fake image's label is 0.9 for the fake class.
FAKE_TARGET = 0.9
PAPER_CLASS_TARGET = 0.01


@dataclass(frozen=True)
class Heads:
    """Which of the k + 1 outputs a discriminator has (Section IV-A; Table IX's rows).

    Attributes:
        valence_arousal: whether the two linear outputs exist.
        action_units: how many units, 0 for none.
    """

    valence_arousal: bool = True
    action_units: int = 8

    @property
    def classes(self) -> int:
        """k: 10 for the joint model, 2 for VA only, 8 for AUs only."""
        return 2 * self.valence_arousal + self.action_units

    @property
    def outputs(self) -> int:
        """k + 1: the last one is the fake class."""
        return self.classes + 1

    def split(self, logits: Tensor) -> dict[str, tf.Tensor]:
        """Name the columns of a discriminator's output; absent tasks have no entry.

        Args:
            logits: [batch, k + 1], any float type, unbounded.

        Returns:
            `valence_arousal` [batch, 2], `action_units` [batch, units] and `fake` [batch].

        Raises:
            ConfigError: another number of columns than this discriminator has.
        """
        logits = as_float(logits)
        if logits.shape[-1] != self.outputs:
            raise ConfigError(
                expected_received("Discriminator outputs", self.outputs, logits.shape[-1])
            )
        start = 2 if self.valence_arousal else 0
        parts = {"fake": logits[..., -1]}
        if self.valence_arousal:
            parts["valence_arousal"] = logits[..., :2]
        if self.action_units:
            parts["action_units"] = logits[..., start:-1]
        return parts


def class_target(heads: Heads, smoothing: str = "paper") -> float:
    """What valence, arousal and every AU of a *fake* image are trained towards.

    `paper`: 0.01 always, as printed. `per_class`: (1 - 0.9) / k, which is 0.01 for
    the joint model only (k = 10), 0.05 for VA only and 0.0125 for AUs only.
    """
    if smoothing == "paper":
        return PAPER_CLASS_TARGET
    if smoothing == "per_class":
        return (1.0 - FAKE_TARGET) / heads.classes
    raise ConfigError(expected_received("Label smoothing", ("paper", "per_class"), smoothing))


def reconstruction_weight(step: Tensor, start: float = 1.0, steps: int = 1500) -> tf.Tensor:
    """w_r of Eq. 2: linear from `start` at step 0 to 0 at `steps`, then 0.

    Args:
        step: scalar, number of updates of either network so far, >= 0.
        start: 1 in the paper; the code that it grew out of starts at 10.
        steps: not in the paper; 1,500 in that code.

    Returns:
        Scalar in [0, start], float32.
    """
    left = 1.0 - tf.cast(step, tf.float32) / float(steps)
    return float(start) * tf.clip_by_value(left, 0.0, 1.0)


def huber(real: Tensor, fake: Tensor, delta: float = 1.0) -> tf.Tensor:
    """Mean over all values of the Huber loss of `real` minus `fake` (Eq. 2, delta 1).

    Args:
        real: [...], images in [-1, 1].
        fake: [...], of the same shape and range, any float type.
        delta: where the loss turns from quadratic to linear, > 0.

    Returns:
        Scalar >= 0.
    """
    fake = as_float(fake)
    size = tf.abs(tf.cast(real, fake.dtype) - fake)
    quadratic = tf.minimum(size, delta)
    return tf.reduce_mean(0.5 * tf.square(quadratic) + delta * (size - quadratic))


def generator_loss(
    fake_logits: Tensor,
    real_images: Tensor,
    fake_images: Tensor,
    weight: Tensor,
    non_saturating: bool = False,
) -> dict[str, tf.Tensor]:
    """Eq. 2: log x + w_r * Huber(real - fake), x the fake probability of the generated images.

    The sign is the printed one: the generator minimises log x, and with it x.
    `log_sigmoid` keeps the logarithm finite where x underflows. Real and
    generated images are paired by their place in the batch.

    Args:
        fake_logits: [batch], the fake class' logits for generated images, unbounded.
        real_images: [batch, height, width, 3] in [-1, 1].
        fake_images: [batch, height, width, 3] in [-1, 1].
        weight: scalar w_r >= 0, see `reconstruction_weight`.
        non_saturating: minimise -log(1 - x) instead, whose gradient does not vanish
            while the discriminator is sure (not in the paper).

    Returns:
        Scalars `loss`, `adversarial`, `reconstruction` (the last without w_r).
    """
    logits = as_float(fake_logits)
    terms = tf.nn.softplus(logits) if non_saturating else tf.math.log_sigmoid(logits)
    adversarial = tf.reduce_mean(terms)
    reconstruction = tf.cast(huber(real_images, fake_images), logits.dtype)
    loss = adversarial + tf.cast(weight, logits.dtype) * reconstruction
    return {"loss": loss, "adversarial": adversarial, "reconstruction": reconstruction}


def _total(terms: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {"loss": tf.add_n(list(terms.values())), **terms}


def _require_width(name: str, labels: Tensor, width: int) -> None:
    """Raises `ConfigError` unless `labels` have `width` columns, as far as that is known."""
    shape = tf.TensorShape(labels.shape if hasattr(labels, "shape") else np.shape(labels))
    found = shape[-1] if shape.rank else None
    if found is not None and found != width:
        raise ConfigError(
            expected_received(f"Labels {name}: columns, as the discriminator's head", width, found)
        )


def real_loss(
    logits: Tensor, labels: Mapping[str, Tensor], heads: Heads = Heads(), va_loss: str = "mse"
) -> dict[str, tf.Tensor]:
    """R_images of Eq. 3: R_VA + R_AU + R_fake, with target 0 for the fake class.

    A frame without a label still trains the fake output: that is the
    semi-supervised part.

    Args:
        logits: [batch, k + 1], discriminator output for real images, unbounded.
        labels: `valence_arousal` [batch, 2] in [-1, 1] and `action_units` [batch, units] of 0 and
            1, each with an optional `<name>_mask` [batch]; only those that `heads` has are read.
        heads: what the columns are.
        va_loss: a name of `VA_LOSSES`: `mse` or `ccc`.

    Returns:
        Scalars `loss` and its terms `valence_arousal`, `action_units`, `fake`.

    Raises:
        ConfigError: outputs or labels of another width than the heads have.
    """
    parts = heads.split(logits)
    for name in ("valence_arousal", "action_units"):
        if name in parts:
            _require_width(name, labels[name], parts[name].shape[-1])
    terms = {}
    if heads.valence_arousal:
        terms["valence_arousal"] = loss_function("va", va_loss)(
            labels["valence_arousal"], parts["valence_arousal"], labels.get("valence_arousal_mask")
        )
    if heads.action_units:
        terms["action_units"] = sigmoid_cross_entropy(
            labels["action_units"], parts["action_units"], labels.get("action_units_mask")
        )
    terms["fake"] = tf.reduce_mean(tf.nn.softplus(parts["fake"]))  # cross entropy towards 0
    return _total(terms)


def fake_loss(
    logits: Tensor, heads: Heads = Heads(), va_loss: str = "mse", smoothing: str = "paper"
) -> dict[str, tf.Tensor]:
    """F_images: as `real_loss`, for generated images, with the smoothed targets of Section IV-C.1.

    With `va_loss="ccc"` the target of valence and arousal is constant, so this
    term is always 1 and trains nothing (see `ccc_loss`).

    Args:
        logits: [batch, k + 1], discriminator output for generated images, unbounded.
        heads: what the columns are.
        va_loss: a name of `VA_LOSSES`: `mse` or `ccc`.
        smoothing: see `class_target`.

    Returns:
        Scalars `loss` and its terms `valence_arousal`, `action_units`, `fake`.
    """
    parts = heads.split(logits)
    target = class_target(heads, smoothing)
    terms = {}
    if heads.valence_arousal:
        wanted = tf.fill(tf.shape(parts["valence_arousal"]), tf.cast(target, parts["fake"].dtype))
        terms["valence_arousal"] = loss_function("va", va_loss)(wanted, parts["valence_arousal"])
    if heads.action_units:
        wanted = tf.fill(tf.shape(parts["action_units"]), tf.cast(target, parts["fake"].dtype))
        terms["action_units"] = sigmoid_cross_entropy(wanted, parts["action_units"])
    wanted = tf.fill(tf.shape(parts["fake"]), tf.cast(FAKE_TARGET, parts["fake"].dtype))
    terms["fake"] = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, parts["fake"]))
    return _total(terms)
