"""The features behind FID: blind below 32x32 pixels, one face at a time, refused sizes."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.models import face_features


def _faces(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def test_an_enlarged_small_face_has_the_features_of_the_small_one() -> None:
    """The same weights at 32 and 96 pixels: both configurations are measured alike."""
    small, large = face_features(32, 0.05, seed=1), face_features(96, 0.05, seed=1)
    faces = _faces(3, 32)
    wanted = small(faces, training=False).numpy()
    found = large(faces.repeat(3, axis=1).repeat(3, axis=2), training=False).numpy()
    assert wanted.shape == (3, 13) and wanted.std() > 0  # 256 channels times 0.05
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_face_is_judged_alone_and_the_seed_decides() -> None:
    faces = _faces(4, 32)
    network = face_features(32, 0.05, seed=1)
    together = network(faces, training=False).numpy()
    np.testing.assert_allclose(network(faces[:1], training=False).numpy(), together[:1], atol=1e-6)
    assert not np.allclose(face_features(32, 0.05, seed=2)(faces).numpy(), together)


def test_sizes_that_do_not_shrink_to_32_are_refused() -> None:
    with pytest.raises(ConfigError, match="a multiple of 32. Received: 112"):
        face_features(112)
