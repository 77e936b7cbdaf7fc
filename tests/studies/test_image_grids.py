"""Grids, PNG files and animations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kaffect.errors import ConfigError
from kaffect.studies.image_grids import (
    captioned,
    image_grid,
    read_image,
    write_animation,
    write_image,
)


def _faces(count: int, size: int = 5) -> np.ndarray:
    return np.stack([np.full((size, size, 3), 10 * (i + 1), np.uint8) for i in range(count)])


def test_grid_places_faces_row_by_row_on_white() -> None:
    grid = image_grid(_faces(5), columns=3, enlarge=1)
    assert grid.shape == (2 * 7 + 2, 3 * 7 + 2, 3)
    for i in range(5):
        top, left = 2 + (i // 3) * 7, 2 + (i % 3) * 7
        assert (grid[top : top + 5, left : left + 5] == 10 * (i + 1)).all()
    assert (grid[9:, 16:] == 255).all(), "the sixth place is empty"
    assert (grid[:2] == 255).all() and (grid[:, :2] == 255).all()


def test_small_faces_are_enlarged_by_whole_pixels() -> None:
    grid = image_grid(_faces(1, 32))
    assert grid.shape == (64 + 4, 64 + 4, 3)
    assert image_grid(_faces(4, 96)).shape == (2 * 98 + 2, 2 * 98 + 2, 3)
    with pytest.raises(ConfigError, match="n >= 1"):
        image_grid(_faces(1)[:0])


def test_png_round_trip(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    write_image(tmp_path / "a" / "image.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a" / "image.png"), image)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["image.png"]


def test_caption_leaves_the_picture_as_it_is() -> None:
    image = image_grid(_faces(4, 32))
    with_text = captioned(image, "update 600")
    np.testing.assert_array_equal(with_text[16:], image)
    assert (with_text[:16] < 128).any(), "there is a text"


def test_animation(tmp_path: Path) -> None:
    frames = [image_grid(_faces(2) + 40 * i) for i in range(3)]
    write_animation(tmp_path / "a.gif", frames, 120)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 3 and gif.info["loop"] == 0
        times = []
        for i in range(3):
            gif.seek(i)
            times.append(gif.info["duration"])
            # One colour per face: the palette must not change it.
            assert np.array_equal(np.asarray(gif.convert("RGB"))[4, 4], frames[i][4, 4])
    assert times == [120, 120, 600]
    with pytest.raises(ConfigError, match="one size"):
        write_animation(tmp_path / "a.gif", [frames[0], frames[0][:4]])
    with pytest.raises(ConfigError, match="none"):
        write_animation(tmp_path / "a.gif", [])
