"""Names of face pictures: `video/00001.jpg`, five digits, counted from 1 (ABAW releases).

List files and submissions name frames so. A name is one folder (the track) and a
frame number, nothing else, so that it cannot lead out of its folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kaffect.data.annotations.numbers import shown
from kaffect.errors import AnnotationError

IMAGE = re.compile(rb"(?!\.)([^/\\,\0-\x1f\x7f]{1,200})/([0-9]{1,9})\.(?:jpg|jpeg|png)")
_EXPECTED = "not an image name. Expected folder/number.jpg, frames counted from 1"


def image_name(track: str, frame: int) -> str:
    """`track/00001.jpg`; more than five digits where the number needs them."""
    return f"{track}/{frame:05d}.jpg"


def split_image_name(path: Path, line: int, name: bytes) -> tuple[str, int]:
    """(track, 1-based frame) of one name.

    Raises:
        AnnotationError: `name`, on that line of `path`, is not an image name.
    """
    key = IMAGE.fullmatch(name)
    try:
        if key is not None and int(key[2]) > 0:
            return key[1].decode("utf-8"), int(key[2])
    except UnicodeDecodeError:
        pass
    raise AnnotationError(path, line, f"{_EXPECTED}. Received: {shown(name)}", "image-name")


def split_image_names(
    path: Path, names: Sequence[bytes], first_line: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Tracks [names] str and frames [names] int64; `names[0]` stands on `first_line`."""
    pairs = [split_image_name(path, line, name) for line, name in enumerate(names, first_line)]
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs], np.int64)
