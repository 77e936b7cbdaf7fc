"""An MP4 that grows frame by frame (`--overlay`)."""

from __future__ import annotations

from fractions import Fraction
from typing import IO

import av
import numpy as np


class Film:
    """H.264 in MP4.

    Args:
        handle: binary, opened for writing, seekable.
        size: (width, height), even numbers.
        fps: frames a second.
    """

    def __init__(self, handle: IO[bytes], size: tuple[int, int], fps: int) -> None:
        self._container = av.open(handle, "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=fps)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "23"}
        self._time_base = Fraction(1, fps)
        self.frames = 0

    def add(self, image: np.ndarray) -> None:
        """Append a picture [height, width, 3] uint8 RGB."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = self.frames, self._time_base
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Write what is still held back."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
