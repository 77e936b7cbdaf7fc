"""Mixtures of two faces: what stands where, and the share that the losses need."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kaffect.data.batches.mixing import mix


def batch() -> dict[str, tf.Tensor]:
    images = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 3)).astype("uint8")
    return {"images": tf.constant(images), "expression": tf.range(4)}


def seed(step: int = 0) -> tf.Tensor:
    return tf.constant([1, step], tf.int64)


def test_a_mixture_is_of_a_picture_and_the_one_before_it():
    given = batch()
    mixed = mix(given, seed(), "mixup", 0.4)
    share = float(mixed["mix_share"])
    pixels = given["images"].numpy().astype(float)
    for i in range(4):
        expected = share * pixels[i] + (1 - share) * pixels[i - 1]
        assert np.abs(mixed["images"][i].numpy() - expected).max() <= 0.5001
    np.testing.assert_array_equal(mixed["expression"], given["expression"])


def test_mixaugment_keeps_the_real_pictures_in_front():
    given = batch()
    mixed = mix(given, seed(), "mixaugment", 0.4)
    assert mixed["images"].shape == (8, 5, 5, 3)
    np.testing.assert_array_equal(mixed["images"][:4], given["images"])
    np.testing.assert_array_equal(mixed["images"][4:], mix(given, seed(), "mixup", 0.4)["images"])


def test_shares_are_drawn_from_a_beta_distribution_and_repeat():
    given = batch()
    shares = np.array([float(mix(given, seed(s), "mixup", 0.5)["mix_share"]) for s in range(200)])
    again = float(mix(given, seed(17), "mixup", 0.5)["mix_share"])
    assert again == shares[17]
    # Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1)).
    assert abs(shares.mean() - 0.5) < 0.1 and abs(shares.var() - 0.125) < 0.025
