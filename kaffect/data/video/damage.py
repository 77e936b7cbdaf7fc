"""Frames of a video that cannot be decoded: they are left out, and told (paper Section III-A).

Which number do the frames behind one have? That of the annotation. Where its lines are nearer
in number to the packets of the file than to the frames that decode, it was made of the sound
video, so that a frame without a picture keeps its number; otherwise what can be decoded is
counted, as players and OpenCV do.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import av

from kaffect.data.video.media import bounded_stream, open_media

# Places that a message names.
_MOST = 6


class Damage:
    """What of one video has no picture.

    Args:
        lines: of its annotation, where there is one.

    Attributes:
        numbers: 1-based numbers of frames that have one and no picture.
        reason: the decoder's, of the first.
    """

    def __init__(self, path: Path, lines: int | None = None) -> None:
        self._path, self._lines = path, lines
        self.numbers: list[int] = []
        self.reason = ""
        self._places: list[int] = []
        self._end = ""

    @functools.cached_property
    def keeps_numbers(self) -> bool:
        """Whether a packet that does not decode counts as a frame; reads the whole file."""
        if not self._lines:
            return False
        packets, decoded = _counts(self._path)
        return abs(packets - self._lines) < abs(decoded - self._lines)

    def blame(self, error: av.error.FFmpegError) -> None:
        """Keep why something does not decode."""
        self.reason = self.reason or str(getattr(error, "strerror", None) or error)

    def ends(self, error: av.error.FFmpegError) -> None:
        """The container cannot be read any further."""
        self.blame(error)
        self._end = f"the file cannot be read to its end ({self.reason})"

    def add(self, before: int, numbered: bool) -> None:
        """A frame without a picture.

        Args:
            before: frames that have a number before it.
            numbered: whether it has one too.
        """
        self._places.append(before + 1)
        if numbered:
            self.numbers.append(before + 1)

    def note(self, decoded: int) -> str | None:
        """How many frames and where, in a sentence; None where all decode.

        Args:
            decoded: frames that have a number, those in `numbers` among them.
        """
        lost = len(self._places)
        if not lost:
            return self._end or None
        frames = decoded - len(self.numbers) + lost
        at = "frame" if len(self.numbers) == lost else "before frame"
        said = (
            f"{lost} of {frames} frames cannot be decoded and are left out: "
            f"{at} {in_ranges(self._places)}"
        )
        return f"{said}; {self._end}" if self._end else said


def _counts(path: Path) -> tuple[int, int]:
    """How many packets the video stream has, and how many frames they decode to."""
    packets = decoded = 0
    with open_media(path) as container:
        stream = container.streams.video[0]
        bounded_stream(path, stream)
        with contextlib.suppress(av.error.InvalidDataError):  # the end of a damaged container
            for packet in container.demux(stream):
                packets += packet.size > 0
                with contextlib.suppress(av.error.FFmpegError):
                    decoded += len(packet.decode())
    return packets, decoded


def in_ranges(numbers: Sequence[int], most: int = _MOST) -> str:
    """Ascending numbers in words: "3, 7 to 9"; repeated ones once."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(sorted(set(numbers))), lambda pair: pair[1] - pair[0])
    ]
    words = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:most]]
    more = f" and {len(runs) - most} more places" if len(runs) > most else ""
    return ", ".join(words) + more
