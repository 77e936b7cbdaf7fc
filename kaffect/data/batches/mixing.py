"""MixUp and MixAugment (Psaroudakis and Kollias 2022): training on mixtures of two faces.

MixUp trains on the mixtures alone, MixAugment on the real pictures and the mixtures together.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

KINDS = ("none", "mixup", "mixaugment")
SHARE = "mix_share"


def mix(
    batch: Mapping[str, tf.Tensor], seed: tf.Tensor, kind: str, alpha: float
) -> dict[str, tf.Tensor]:
    """Mix each picture with its neighbour in the batch, all with one share.

    Args:
        batch: with 'images' uint8 [n, height, width, 3].
        seed: [2] integers.
        kind: 'mixup' or 'mixaugment'.
        alpha: of the Beta(alpha, alpha) distribution from which the share is drawn.

    Returns:
        The batch; 'images' are the n mixtures ('mixup'), or the n real pictures followed by them
        ('mixaugment', [2 n, ...]). 'mix_share' [] is the share of picture i; the rest of mixture i
        is picture i - 1. Labels are those of the n real pictures.
    """
    images = batch["images"]
    draws = tf.random.stateless_gamma([2], seed, alpha)
    share = draws[0] / tf.reduce_sum(draws)
    pixels = tf.cast(images, tf.float32)
    mixed = share * pixels + (1.0 - share) * tf.roll(pixels, 1, axis=0)
    pictures = tf.cast(tf.round(mixed), tf.uint8)
    if kind == "mixaugment":
        pictures = tf.concat([images, pictures], axis=0)
    return {**batch, "images": pictures, SHARE: share}
