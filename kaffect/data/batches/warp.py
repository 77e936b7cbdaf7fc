"""The second study's changes of training pictures: mirror, rotation and what small sets need more.

Every draw is a function of (seed, step), as in `kaffect.data.batches.augment`. One affine
look-up does mirror, rotation, scale and shift together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import tensorflow as tf

from kaffect.config.framewise import FramewiseData
from kaffect.data.batches.augment import Augmentation


@dataclass(frozen=True)
class Warp:
    """How far pictures may be changed; 0 or False switches a change off.

    Attributes:
        flip: mirror left and right, half of the pictures.
        rotation: degrees to either side, at most.
        zoom: factor on the size, 1 - zoom to 1 + zoom.
        shift: share of the side in each direction, at most; the border is mirrored.
        brightness, contrast: as in `Augmentation`.
        erase: share of the pictures in which a rectangle becomes grey ("random erasing").
    """

    flip: bool = True
    rotation: float = 10.0
    zoom: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    erase: float = 0.0

    @classmethod
    def of(cls, data: FramewiseData) -> Warp:
        """The changes that settings of the same names ask for."""
        return cls(**{field.name: getattr(data, field.name) for field in fields(cls)})

    def apply(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Change each picture by its own draw.

        Args:
            images: [batch, height, width, 3] uint8, of static shape.
            seed: [2] integers.

        Returns:
            The same shape and type.
        """
        seeds = tf.random.experimental.stateless_split(seed, 3)
        if self.flip or self.rotation or self.zoom or self.shift:
            images = self._move(images, seeds[0])
        if self.brightness or self.contrast:
            light = Augmentation(False, self.brightness, self.contrast, 0)
            images = light.apply(images, seeds[1])
        return self._erase(images, seeds[2]) if self.erase else images

    def _move(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        batch, height, width, _ = images.shape
        # A column for each draw, uniform in [-1, 1).
        draws = tf.random.stateless_uniform([batch, 5], seed, -1.0, 1.0)
        angle = draws[:, 0] * (self.rotation * math.pi / 180.0)
        # The transformation goes from places of the result to places of the picture.
        scale = 1.0 / (1.0 + draws[:, 1] * self.zoom)
        mirror = tf.where(draws[:, 2] < 0.0, -1.0, 1.0) if self.flip else tf.ones([batch])
        cosine, sine = tf.cos(angle) * scale, tf.sin(angle) * scale
        middle_x, middle_y = (width - 1) / 2.0, (height - 1) / 2.0
        a, b, c, d = cosine * mirror, -sine, sine * mirror, cosine
        shift_x = middle_x + draws[:, 3] * self.shift * width - a * middle_x - b * middle_y
        shift_y = middle_y + draws[:, 4] * self.shift * height - c * middle_x - d * middle_y
        nothing = tf.zeros([batch])
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            # In uint8 the operation would cut off fractions: pictures 0.4 grey levels darker.
            images=tf.cast(images, tf.float32),
            transforms=tf.stack([a, b, shift_x, c, d, shift_y, nothing, nothing], axis=1),
            output_shape=[height, width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )
        return tf.ensure_shape(tf.cast(tf.round(moved), tf.uint8), images.shape)

    def _erase(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """A rectangle of a fifth to a half of each side, anywhere inside, at 128 ("no face")."""
        batch, height, width, _ = images.shape
        draws = tf.random.stateless_uniform([5, batch, 1], seed)
        chosen = draws[4] < self.erase

        def inside(length: int, extent: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
            size = (0.2 + 0.3 * extent) * length
            first = place * (length - size)
            positions = tf.range(length, dtype=tf.float32)[None]
            return (positions >= first) & (positions < first + size) & chosen

        rows, columns = inside(height, draws[0], draws[1]), inside(width, draws[2], draws[3])
        hidden = (rows[:, :, None] & columns[:, None, :])[..., None]
        return tf.where(hidden, tf.constant(128, tf.uint8), images)
