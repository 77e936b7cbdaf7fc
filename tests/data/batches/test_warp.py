"""Changes of training pictures of the second study: geometry by hand, stateless draws."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kaffect.data.batches.warp import Warp

STILL = {"flip": False, "rotation": 0.0}


def seed(step: int = 0) -> tf.Tensor:
    return tf.constant([7, step], tf.int64)


@pytest.fixture(scope="module")
def images() -> tf.Tensor:
    """Smooth pictures, so that interpolation costs next to nothing."""
    y, x = np.mgrid[0:33, 0:33] / 32.0
    picture = np.stack([x, y, x * y], axis=-1) * 200 + 20
    return tf.constant(np.repeat(picture[None], 64, axis=0).astype("uint8"))


def test_nothing_switched_on_changes_nothing(images):
    np.testing.assert_array_equal(Warp(**STILL).apply(images, seed()), images)


def test_half_of_the_pictures_are_mirrored_and_nothing_else(images):
    changed = Warp(flip=True, rotation=0.0).apply(images, seed()).numpy()
    same = [np.array_equal(a, b) for a, b in zip(changed, images.numpy())]
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(changed, images.numpy())]
    assert all(a != b for a, b in zip(same, mirrored))
    assert 16 < sum(mirrored) < 48


def angle_of(picture: np.ndarray) -> float:
    """From the directions in which red (at first along x) and green grow, in degrees."""
    middle = picture[8:25, 8:25].astype(float)
    red = np.gradient(middle[..., 0])
    return float(np.degrees(np.arctan2(red[0].mean(), red[1].mean())))


def test_rotations_reach_to_both_sides_and_keep_the_middle(images):
    changed = Warp(flip=False, rotation=20.0).apply(images, seed()).numpy()
    angles = np.array([angle_of(picture) for picture in changed])
    assert angles.min() < -12 and angles.max() > 12 and np.abs(angles).max() < 21
    middle = changed[:, 16, 16].astype(int) - images.numpy()[:, 16, 16]
    assert np.abs(middle).max() <= 1
    assert not (changed == 0).all(axis=-1).any(), "no black corners"


@pytest.mark.parametrize("warp", [Warp(**{**STILL, "rotation": 10.0}), Warp(**STILL, zoom=0.1),
                                  Warp(**STILL, shift=0.05)])  # fmt: skip
def test_training_pictures_are_as_bright_as_those_of_evaluation(images, warp):
    """A picture and its negative, moved alike, still add up to 240: fractions are rounded."""
    first, second = (warp.apply(p, seed()).numpy().astype(float) for p in (images, 240 - images))
    assert abs((first + second).mean() - 240) < 0.02
    assert np.abs(first + second - 240).max() <= 1


def test_zoom_and_shift(images):
    near = Warp(**STILL, zoom=0.3).apply(images, seed()).numpy().astype(float)
    slopes = np.array([np.gradient(p[8:25, 8:25, 0])[1].mean() for p in near])
    slope = 200 / 32
    assert slopes.min() < slope / 1.15 and slopes.max() > slope / 0.85
    moved = Warp(**STILL, shift=0.2).apply(images, seed()).numpy().astype(int)
    offsets = moved[:, 16, 16, :2] - images.numpy()[:, 16, 16, :2].astype(int)
    assert np.abs(offsets).max() <= 0.2 * 33 * slope + 1
    assert (offsets.min(axis=0) < -15).all() and (offsets.max(axis=0) > 15).all()


def test_erased_rectangles(images):
    changed = Warp(**STILL, erase=0.5).apply(images, seed()).numpy()
    hidden = (changed == 128).all(axis=-1)
    erased = [h for h in hidden if h.sum() > 20]
    assert 16 < len(erased) < 48
    for h in erased:
        rows, columns = np.flatnonzero(h.any(axis=1)), np.flatnonzero(h.any(axis=0))
        assert h[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 5 <= len(rows) <= 17 and 5 <= len(columns) <= 17


def test_a_step_gives_the_same_pictures_again_and_another_step_others(images):
    warp = Warp(zoom=0.1, shift=0.1, brightness=10, contrast=0.1, erase=0.5)
    first, again, other = (warp.apply(images, seed(s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == tf.uint8 and first.shape == images.shape
