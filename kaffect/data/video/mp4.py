"""MP4 files at a constant rate, the same bytes for the same frames (paper Section III-A).

"All videos were converted to MP4 at 30 frames a second": `kaffect data prepare
--reencode` and the renderer of synthetic data write them here.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO

import av
import cv2
import numpy as np


class Mp4Writer:
    """Encodes RGB frames with libx264 (yuv420p) as they come; a context manager.

    One thread for each encoder, and no macroblock tree: with it, x264 gave different bytes
    for the same frames within one process (15 of 15 runs agree without it). An odd last
    row or column is left out, because this pixel format has none.

    Args:
        target: a path, or a file open for writing in binary mode.
        preset, crf: libx264's speed preset and quality.
        keyframes: a keyframe every so many frames and no frame that depends on a later one,
            so that a player seeks fast and time stamps start at 0; None leaves it to libx264.
    """

    def __init__(
        self,
        target: str | Path | IO[bytes],
        fps: Fraction | int,
        preset: str = "veryfast",
        crf: int = 18,
        keyframes: int | None = None,
    ) -> None:
        self._fps = Fraction(fps)
        file = str(target) if isinstance(target, (str, Path)) else target
        self._container = av.open(file, "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=self._fps)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.thread_count = 1
        parameters = "threads=1:lookahead-threads=1:mbtree=0"
        if keyframes is not None:
            parameters += f":keyint={keyframes}:min-keyint={keyframes}:scenecut=0:bframes=0"
        self._stream.options = {"preset": preset, "crf": str(crf), "x264-params": parameters}
        self.frames = 0
        self._size: tuple[int, int] | None = None

    def __enter__(self) -> Mp4Writer:
        return self

    def add(self, image: np.ndarray) -> None:
        """Append a frame [height, width, 3] uint8 RGB; all are brought to the first one's size."""
        if self._size is None:
            height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
            self._size = self._stream.width, self._stream.height = (width, height)
        width, height = self._size
        if image.shape[0] // 2 * 2 != height or image.shape[1] // 2 * 2 != width:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        image = np.ascontiguousarray(image[:height, :width])
        yuv = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).astype(np.uint8, copy=False)
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts = self.frames
        frame.time_base = 1 / self._fps
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self.frames:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except av.error.FFmpegError:
            # A disk that is full already is met again here; the first error says what it was.
            if kind is None:
                raise
