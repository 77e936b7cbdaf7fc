"""The nearest face against loops in float64: in parts, mirrored, without those of the own group."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.studies.gan.nearest import NearestFaces


def _distances(picture: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return np.array([np.sqrt(((picture - face) ** 2).mean()) for face in faces.astype(float)])


def test_against_loops() -> None:
    generator = np.random.default_rng(0)
    faces = generator.integers(0, 256, (23, 4, 4, 3)).astype(np.uint8)
    generated = generator.integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
    generated[3] = faces[17]
    generated[4] = np.clip(faces[9].astype(int) + 1, 0, 255)
    generated[5] = faces[2, :, ::-1]
    numbers = np.arange(100, 123)
    found, mirrored = NearestFaces(generated), NearestFaces(generated)
    for part in np.split(np.arange(23), (7, 14, 21)):
        found.look(faces[part], numbers[part])
        mirrored.look(faces[part], numbers[part], mirror=True)
    for i, picture in enumerate(generated.astype(float)):
        plain, turned = _distances(picture, faces), _distances(picture, faces[:, :, ::-1])
        assert found.number[i] == 100 + int(np.argmin(plain)) and not found.mirrored[i]
        assert found.distance[i] == pytest.approx(plain.min(), rel=1e-5)
        nearest = plain if plain.min() <= turned.min() else turned
        assert mirrored.number[i] == 100 + int(np.argmin(nearest))
        assert mirrored.distance[i] == pytest.approx(nearest.min(), rel=1e-5)
        assert mirrored.mirrored[i] == (turned.min() < plain.min())
    assert (found.number[3], found.distance[3]) == (117, 0.0) and found.number[4] == 109
    assert (mirrored.number[5], mirrored.distance[5], mirrored.mirrored[5]) == (102, 0.0, True)
    assert found.distance[5] > 0


def test_faces_of_the_same_group_do_not_count() -> None:
    faces = np.random.default_rng(1).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
    groups = np.array([0, 0, 1, 1, 1, 2])
    found = NearestFaces(faces, groups)
    for part in (slice(0, 3), slice(3, 6)):
        found.look(faces[part], np.arange(6)[part], groups=groups[part])
    for i, picture in enumerate(faces.astype(float)):
        distances = np.where(groups == groups[i], np.inf, _distances(picture, faces))
        assert found.number[i] == int(np.argmin(distances))
        assert found.distance[i] == pytest.approx(distances.min(), rel=1e-5)
    alone = NearestFaces(faces, np.zeros(6))
    alone.look(faces, np.arange(6), groups=np.zeros(6))
    assert (alone.number == -1).all() and np.isinf(alone.distance).all()


def test_faces_of_another_size() -> None:
    found = NearestFaces(np.zeros((1, 4, 4, 3), np.uint8))
    with pytest.raises(ConfigError, match="Size of the faces"):
        found.look(np.zeros((1, 3, 4, 3), np.uint8), np.zeros(1))
