"""The patch of a face box, and features that belong to its own row alone."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.faces.face_features import FEATURES, face_features, face_patch

from .heads import head


def places(height: int, width: int) -> np.ndarray:
    """A picture whose red and green are the column and the row of their pixel."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x, y, 0 * x], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("box", "left", "top", "step"),
    [
        ((20, 30, 68, 78), 20, 30, 1.0),
        ((20, 30, 44, 54), 20, 30, 0.5),
        ((20, 30, 212, 222), 20, 30, 4.0),
        ((20, 30, 52, 102), 12, 42, 1.0),  # as large as a square of 48, around the same middle
    ],
)
def test_a_patch_is_the_square_around_the_box(
    box: tuple[int, ...], left: float, top: float, step: float
) -> None:
    patch = face_patch(places(250, 250), np.array(box, float)).astype(float)
    along = (np.arange(48) + 0.5) * step - 0.5
    np.testing.assert_allclose(patch[5:-5, 24, 1], top + along[5:-5], atol=1.0)
    np.testing.assert_allclose(patch[24, 5:-5, 0], left + along[5:-5], atol=1.0)


def test_outside_of_the_frame_its_border_is_repeated() -> None:
    for factor in (1, 5):
        frame = places(48 * factor, 48 * factor)
        patch = face_patch(frame, np.array([-24.0, -24.0, 24.0, 24.0]) * factor)
        assert patch.shape == (48, 48, 3)
        assert patch[:20, :20, :2].max() <= 2 * factor
        assert patch[47, 47].tolist()[:2] == pytest.approx([23.5 * factor] * 2, abs=2 * factor)


def test_each_row_is_of_its_own_face() -> None:
    patches = np.stack([face_patch(*head(seed)) for seed in range(3)])
    found = face_features(patches)
    assert found.shape == (3, FEATURES) and np.isfinite(found).all()
    np.testing.assert_allclose(face_features(patches[1:2])[0], found[1], atol=1e-3)
    assert np.abs(found[0] - found[1]).max() > 0.1
    many = face_features(np.repeat(patches, 30, axis=0))  # more than go together
    np.testing.assert_allclose(many[::30], found, atol=1e-3)
    assert face_features(patches[:0]).shape == (0, FEATURES)
