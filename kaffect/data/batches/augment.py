"""Small changes of training pictures that change no label (not in the paper).

Every draw is a function of (seed, step): the same step gives the same pictures,
on any number of threads and after any interruption.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Augmentation:
    """How far pictures may be changed; 0 or False switches a change off.

    Attributes:
        flip: mirror left and right, half of the pictures.
        brightness: grey levels of 255 that are added or taken, at most.
        contrast: factor on the distance to the picture's mean, 1 - c to 1 + c.
        shift: pixels in each direction, at most; the border is repeated.
    """

    flip: bool = True
    brightness: float = 24.0
    contrast: float = 0.2
    shift: int = 4

    def apply(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Change each picture by its own draw.

        Args:
            images: [batch, height, width, 3] uint8, of static shape.
            seed: [2] integers.

        Returns:
            The same shape and type.
        """
        seeds = tf.random.experimental.stateless_split(seed, 4)
        batch = images.shape[0]
        if self.shift or self.flip:
            images = self._move(images, seeds[0], seeds[1])
        if not self.brightness and not self.contrast:
            return images
        values = tf.cast(images, tf.float32)
        mean = tf.reduce_mean(values, axis=(1, 2, 3), keepdims=True)
        factor = tf.random.stateless_uniform(
            [batch, 1, 1, 1], seeds[2], 1 - self.contrast, 1 + self.contrast
        )
        level = tf.random.stateless_uniform(
            [batch, 1, 1, 1], seeds[3], -self.brightness, self.brightness
        )
        values = (values - mean) * factor + mean + level
        return tf.cast(tf.clip_by_value(tf.round(values), 0, 255), tf.uint8)

    def _move(self, images: tf.Tensor, shift_seed: tf.Tensor, flip_seed: tf.Tensor) -> tf.Tensor:
        """Shift and mirror in one look-up of pixels (a reversed slice took eight times as long)."""
        batch, height, width, channels = images.shape
        moves = tf.random.stateless_uniform(
            [2, batch, 1], shift_seed, -self.shift, self.shift + 1, dtype=tf.int32
        )
        rows = tf.clip_by_value(tf.range(height)[None] + moves[0], 0, height - 1)
        columns = tf.clip_by_value(tf.range(width)[None] + moves[1], 0, width - 1)
        if self.flip:
            mirror = tf.random.stateless_uniform([batch, 1], flip_seed) < 0.5
            columns = tf.where(mirror, width - 1 - columns, columns)
        first = tf.range(batch) * (height * width)
        places = first[:, None, None] + rows[:, :, None] * width + columns[:, None, :]
        pixels = tf.reshape(images, [-1, channels])
        return tf.reshape(tf.gather(pixels, tf.reshape(places, [-1])), images.shape)
