"""Grids of faces, PNG files and animations (paper Figures 6 and 7)."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from kaffect.errors import ConfigError, expected_received
from kaffect.files import write_bytes

GAP = 2  # white pixels between faces
_BACKGROUND = 255


def image_grid(
    images: np.ndarray, columns: int | None = None, enlarge: int | None = None
) -> np.ndarray:
    """Faces side by side, row by row.

    Args:
        images: uint8 [n, h, w, 3].
        columns: by default as near to a square as possible.
        enlarge: repeat each pixel so many times; by default until a face is 64 pixels high.

    Returns:
        uint8 [height, width, 3]; empty places are white.
    """
    if images.ndim != 4 or not len(images):
        raise ConfigError(expected_received("Faces of a grid", "[n >= 1, h, w, 3]", images.shape))
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    factor = enlarge or max(1, 64 // images.shape[1])
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    grid = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels),
        _BACKGROUND,
        np.uint8,
    )
    for i, image in enumerate(images):
        top, left = GAP + (i // columns) * (height + GAP), GAP + (i % columns) * (width + GAP)
        grid[top : top + height, left : left + width] = image
    return grid


def captioned(image: np.ndarray, text: str) -> np.ndarray:
    """`image` uint8 [h, w, 3] with one line of text in a white strip above it."""
    strip = Image.new("RGB", (image.shape[1], 16), "white")
    ImageDraw.Draw(strip).text((4, 2), text, fill="black")
    return np.concatenate([np.asarray(strip), image])


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write uint8 [h, w, 3] as PNG; a picture that was there is replaced only when complete."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


def write_animation(
    path: str | Path, frames: Sequence[np.ndarray], milliseconds: int = 300
) -> None:
    """Write pictures of one size, uint8 [h, w, 3], as an endless GIF; the last stays longer.

    Raises:
        ConfigError: no picture, or pictures of different sizes.
    """
    sizes = {frame.shape for frame in frames}
    if len(sizes) != 1:
        raise ConfigError(
            expected_received("Pictures of an animation", "one size", sorted(sizes) or "none")
        )
    buffer = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in frames]
    times = [milliseconds] * (len(pictures) - 1) + [5 * milliseconds]
    pictures[0].save(
        buffer, format="GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0
    )
    write_bytes(path, buffer.getvalue())


def read_image(path: str | Path) -> np.ndarray:
    """A PNG that `write_image` wrote: uint8 [h, w, 3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
