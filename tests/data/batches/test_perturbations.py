"""The fixed set of changed pictures, against its definitions in NumPy and Pillow."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kaffect.data.batches.perturbations import PERTURBATIONS, PERTURBATIONS_HASH, perturbed
from kaffect.data.batches.pipeline import evaluation_frames
from kaffect.data.prepared.records import PreparedData

SIZE = 64
BY_NAME = {each.name: each for each in PERTURBATIONS}


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """[64, 64, 3]: smooth colours that differ in every direction, with an edge."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    face = np.stack([60 + 2 * x, 200 - 2 * y, 90 + x + y // 2], axis=-1)
    face[20:40, 10:30] += 25
    return np.clip(face, 0, 255).astype(np.uint8)


def changed(name: str, face: np.ndarray) -> np.ndarray:
    found = BY_NAME[name].apply(face[np.newaxis])
    assert found.shape == (1, *face.shape) and found.dtype == np.uint8
    return found[0]


@pytest.mark.parametrize(
    "name, first, last",
    [("bar over the eyes", 17, 30), ("bar over the nose", 30, 42), ("bar over the mouth", 42, 55)],
)
def test_a_bar_is_black_and_the_rest_is_untouched(
    name: str, first: int, last: int, face: np.ndarray
) -> None:
    expected = face.copy()
    expected[first:last] = 0
    np.testing.assert_array_equal(changed(name, face), expected)


def test_light_and_colour_and_mirror(face: np.ndarray) -> None:
    values = face.astype(float)
    np.testing.assert_array_equal(changed("dark", face), np.rint(values / 4))
    np.testing.assert_array_equal(changed("bright", face), np.minimum(values * 2, 255))
    np.testing.assert_array_equal(changed("mirrored", face), np.fliplr(face))
    grey = changed("grey", face).astype(float)
    luminance = values @ [0.299, 0.587, 0.114]  # BT.601
    assert np.abs(grey - luminance[..., None]).max() <= 0.51


def test_jpeg_loses_as_much_as_pillow_does(face: np.ndarray) -> None:
    """Two encoders may differ in colour subsampling, not in what quality 20 means."""
    data = io.BytesIO()
    Image.fromarray(face).save(data, "JPEG", quality=20, subsampling=2)
    other = np.asarray(Image.open(data)).astype(float)
    found = changed("JPEG 20", face).astype(float)
    lost, expected = (np.abs(each - face).mean() for each in (found, other))
    assert expected > 1 and lost == pytest.approx(expected, rel=0.1)
    assert np.abs(found.mean(axis=(0, 1)) - face.mean(axis=(0, 1))).max() < 3  # RGB stays RGB


def test_half_resolution_knows_only_the_means_of_two_by_two_pixels(face: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, face.shape).astype(np.uint8)
    means = noise.reshape(SIZE // 2, 2, SIZE // 2, 2, 3).mean(axis=(1, 3))
    found = changed("half resolution", noise).astype(float)
    # Between the centres of four blocks linear interpolation takes 9, 3, 3 and 1 sixteenths.
    inner = (
        9 * means[1:-1, 1:-1] + 3 * means[:-2, 1:-1] + 3 * means[1:-1, :-2] + means[:-2, :-2]
    ) / 16
    assert np.abs(found[2:-2:2, 2:-2:2] - inner).max() <= 1.5


@pytest.mark.parametrize(
    "name, side, right, down",
    [
        ("crop 10 % larger", 1.1, 0.0, 0.0),
        ("crop 10 % smaller", 1 / 1.1, 0.0, 0.0),
        ("crop 10 % to the right", 1.0, 6.4, 0.0),
        ("crop 10 % down", 1.0, 0.0, 6.4),
    ],
)
def test_a_crop_shows_what_a_box_there_would(
    name: str, side: float, right: float, down: float
) -> None:
    """In a picture whose two channels are the coordinates of their pixels."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    places = np.stack([x * 2, y * 2, x * 0], axis=-1).astype(np.uint8)
    found = changed(name, places) / 2
    middle = (SIZE - 1) / 2
    expected_x = np.clip(middle + (x - middle) * side + right, 0, SIZE - 1)
    expected_y = np.clip(middle + (y - middle) * side + down, 0, SIZE - 1)
    np.testing.assert_allclose(found[..., 0], expected_x, atol=0.3)
    np.testing.assert_allclose(found[..., 1], expected_y, atol=0.3)


def test_the_set_is_fixed() -> None:
    """Another set needs another hash, and drops of the two are not comparable."""
    assert len(BY_NAME) == len(PERTURBATIONS) == 13
    assert PERTURBATIONS_HASH == "8cd112c23f60aed8"


def test_only_pictures_of_faces_are_changed(prepared: Path) -> None:
    index = PreparedData.open(prepared).split("train")
    seen = np.asarray(index.has_face).copy()
    seen[::3] = False
    plain = evaluation_frames(index, batch=32)
    batches = perturbed(plain, BY_NAME["bar over the mouth"], seen)
    rows = []
    for before, after in zip(plain, batches, strict=True):
        numbers = before["row"].numpy()
        rows += numbers[numbers >= 0].tolist()
        np.testing.assert_array_equal(after["row"], numbers)
        face = (numbers >= 0) & seen[np.maximum(numbers, 0)]
        one, other = before["images"].numpy(), after["images"].numpy()
        np.testing.assert_array_equal(other[~face], one[~face])
        size = one.shape[1]
        bar = slice(round(0.66 * size), round(0.86 * size))
        assert not other[face][:, bar].any()
    assert rows == index.rows.tolist() and len(index.rows) % 32
