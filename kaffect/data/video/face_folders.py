"""Folders of face pictures in the place of videos, as Aff-Wild2 is distributed (second study).

    cropped_aligned/<track>/00001.jpg       frame 1; a number that is not there: no face

The pictures are the release's own crops, already turned and scaled: they are taken as they
are. The number of a picture gives its time, at 30 frames a second, at the rate of the video
of that name where that is there too, or at the rate that `rates.csv` (video,fps) states.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
from array import array
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from kaffect.data.annotations.numbers import MAX_LINES, NUMBER, read_text
from kaffect.data.video.media import check_pixels
from kaffect.data.video.resample import FPS, VideoFrame
from kaffect.errors import AnnotationError, VideoError, expected_received
from kaffect.files import sha256

RATES = "rates.csv"
NO_PICTURE = np.zeros((0, 0, 3), np.uint8)
_NUMBERED = re.compile(r"0*([1-9][0-9]{0,8})\.(?:jpg|jpeg|png)", re.I)


def numbered(name: str) -> int | None:
    """The frame, from 1, of a picture's file name; None for any other file."""
    match = _NUMBERED.fullmatch(name)
    return int(match[1]) if match else None


def picture_files(folder: Path) -> dict[int, Path]:
    """Frame number -> picture, ascending.

    Raises:
        VideoError: none at all, two for one frame, or a number above 10,000,000.
    """
    found: dict[int, Path] = {}
    for name in sorted(os.listdir(folder)):
        number = numbered(name)
        if number is None:
            continue
        if found.setdefault(number, folder / name).name != name:
            raise VideoError(
                f"{folder}: two pictures of frame {number}: {found[number].name}, {name}"
            )
    if not found or max(found) > MAX_LINES:
        received = f"{max(found)}.jpg" if found else "none"
        expected = f"pictures 00001.jpg to {MAX_LINES}.jpg"
        raise VideoError(expected_received(f"{folder}: pictures of faces", expected, received))
    return dict(sorted(found.items()))


def folder_digest(folder: Path, rate: Fraction) -> str:
    """A hash of the pictures and their times: changes with any byte, number or the rate."""
    digest = hashlib.sha256(str(rate).encode())
    for number, path in picture_files(folder).items():
        digest.update(f"{number} {sha256(path)}\n".encode())
    return digest.hexdigest()


class FaceFolder:
    """The constant-rate frames of a folder of pictures; iterates as `VideoReader` does.

    A frame without a picture has an empty image, [0, 0, 3].

    Args:
        rate: frames a second of the numbers.
        fps: of the frames that are given.
        lines: of the annotation; frames behind the last picture have no face.
    """

    def __init__(
        self, path: Path, rate: Fraction = Fraction(FPS), fps: int = FPS, lines: int = 0
    ) -> None:
        self.path, self._rate, self._fps, self._lines = path, rate, fps, lines
        self.source_times = array("d")
        self.notes: dict[str, str] = {}
        self.without_picture: list[int] = []  # a missing picture says that there is no face

    @functools.cached_property
    def files(self) -> dict[int, Path]:
        """Frame number -> picture, ascending."""
        return picture_files(self.path)

    @property
    def decoded(self) -> int:
        """Source frames passed so far."""
        return len(self.source_times)

    def __iter__(self) -> Iterator[VideoFrame]:
        self.source_times = array("d")
        frames = max(self._lines, max(self.files))
        shown, image = 0, NO_PICTURE
        for number in range(max(1, round(frames / self._rate * self._fps))):
            # The nearest in time, the earlier of two equally near.
            nearest = math.ceil(number * self._rate / self._fps - Fraction(1, 2))
            source = min(max(nearest, 0), frames - 1) + 1
            self._pass(source)
            if source != shown:
                shown, image = source, self.picture(source)
            yield VideoFrame(number, source, self.source_times[source - 1], image)
        self._pass(frames)

    def _pass(self, frames: int) -> None:
        self.source_times.extend(float(n / self._rate) for n in range(self.decoded, frames))

    def picture(self, frame: int) -> np.ndarray:
        """[height, width, 3] uint8 RGB, or empty where the frame has no picture.

        Raises:
            VideoError: not a picture, or one that is too large.
        """
        if frame not in self.files:
            return NO_PICTURE
        path = self.files[frame]
        data = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if image is None:
            raise VideoError(f"{path}: cannot be read as a picture")
        check_pixels(path, image.shape[1], image.shape[0])
        return np.ascontiguousarray(image[..., ::-1])


def read_rates(path: Path) -> dict[str, Fraction]:
    """Video or track name -> frames a second, of a file with the columns video,fps.

    Raises:
        AnnotationError: with path and line.
    """
    header, *rows = read_text(path).decode("utf-8", "replace").removesuffix("\n").split("\n")
    if [name.strip() for name in header.split(",")] != ["video", "fps"]:
        raise AnnotationError(path, 1, expected_received("wrong header", "video,fps", header[:60]))
    found: dict[str, Fraction] = {}
    for line, row in enumerate(rows, 2):
        name, _, text = (part.strip() for part in row.partition(","))
        if not name or not NUMBER.fullmatch(text) or not 1 <= float(text) <= 1000:
            what = "a video and its frames a second (1 to 1000)"
            raise AnnotationError(path, line, expected_received("wrong rate", what, row[:60]))
        rate = Fraction(text)
        if found.setdefault(name, rate) != rate:
            raise AnnotationError(path, line, f"a second rate of {name!r}")
    return found
