"""Flips, shifts, brightness and contrast move pixels within their limits (off in the paper)."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kaffect.data.batches.augment import Augmentation


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 190, (96, 96, 3), dtype=np.uint8)


def test_flips_and_shifts_move_pixels_only() -> None:
    """Each result is one of the mirrored and shifted pictures, border repeated; all occur."""
    original = picture()
    images = tf.constant(np.repeat(original[None], 200, axis=0))
    change = Augmentation(brightness=0, contrast=0, shift=1)
    moved = change.apply(images, tf.constant([3, 4], tf.int64)).numpy()
    steps = np.clip(np.arange(96)[None] + np.array([-1, 0, 1])[:, None], 0, 95)
    expected = [
        original[rows][:, columns][:, order]
        for rows in steps
        for columns in steps
        for order in (slice(None), slice(None, None, -1))
    ]
    kinds = [next(i for i, e in enumerate(expected) if np.array_equal(e, m)) for m in moved]
    assert set(kinds) == set(range(18))
    assert 60 < sum(kind % 2 for kind in kinds) < 140


def test_brightness_and_contrast_stay_within_their_limits() -> None:
    original = picture()
    images = tf.constant(np.repeat(original[None], 200, axis=0))
    change = Augmentation(flip=False, shift=0, brightness=10, contrast=0.25)
    moved = change.apply(images, tf.constant([3, 4], tf.int64)).numpy().astype(float)
    level = moved.mean(axis=(1, 2, 3)) - original.mean()
    factor = moved.std(axis=(1, 2, 3)) / original.std()
    assert np.abs(level).max() <= 10.1 and level.min() < -8 and level.max() > 8
    assert np.abs(factor - 1).max() <= 0.26 and factor.min() < 0.8 and factor.max() > 1.2
    bright = tf.fill([4, 8, 8, 3], tf.constant(254, tf.uint8))
    assert Augmentation(brightness=30).apply(bright, tf.constant([1, 2])).numpy().min() > 200
