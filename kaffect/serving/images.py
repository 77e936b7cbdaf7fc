"""Encoded pictures inside an exported graph (for clients that send JPEG or PNG files)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from kaffect.faces.crops import NO_FACE_VALUE


def decode_crops(files: Any, shape: Sequence[int]) -> Any:
    """[n] files -> [n, height, width, 3] uint8.

    A file of another size is resized with an antialiased bilinear filter; an empty string
    stands for "no face" and gives the grey picture that stands for it in training.
    """
    height, width = shape[:2]

    def decode(file: Any) -> Any:
        picture = tf.io.decode_image(file, channels=3, expand_animations=False)
        picture.set_shape([None, None, 3])
        size = tf.shape(picture)
        fits = tf.reduce_all(tf.equal(size[:2], [height, width]))
        picture = tf.cond(fits, lambda: picture, lambda: _resized(picture, height, width))
        return tf.ensure_shape(picture, [height, width, 3])

    def one(file: Any) -> Any:
        blank = tf.fill([height, width, 3], tf.constant(NO_FACE_VALUE, tf.uint8))
        return tf.cond(tf.equal(tf.strings.length(file), 0), lambda: blank, lambda: decode(file))

    spec = tf.TensorSpec([height, width, 3], tf.uint8)
    return tf.map_fn(one, files, fn_output_signature=spec)


def _resized(picture: Any, height: int, width: int) -> Any:
    resized = tf.image.resize(picture, [height, width], method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
