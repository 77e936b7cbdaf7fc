"""Writes rendered frames as MP4 (paper Section III-A), the same bytes for the same frames."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from kaffect.data.video.mp4 import Mp4Writer
from kaffect.synthetic.canvas import Image


def write_mp4(
    path: Path, frames: Iterable[Image], fps: Fraction, size: tuple[int, int], preset: str, crf: int
) -> int:
    """Encode RGB frames of `size` (width, height) and give their number."""
    with Mp4Writer(path, fps, preset, crf) as writer:
        for image in frames:
            writer.add(image)
    return writer.frames
