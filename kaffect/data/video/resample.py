"""Videos to a constant 30 frames a second, by time stamps (paper Section III-A).

Headers can be wrong about frame counts and rates; only decoded frames count here. Output
frame k, at k / fps seconds after the first frame, shows the source frame nearest
in time (the earlier of two equally near), so that a picture is never further from
its time than half a source interval and its label comes with it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from kaffect.data.video.damage import Damage
from kaffect.data.video.display_times import WINDOW, DisplayTimes, in_order
from kaffect.data.video.lengths import tolerated
from kaffect.data.video.media import MOST_WAITING_BYTES, bounded_stream, open_media
from kaffect.errors import VideoError

FPS = 30


@dataclass(frozen=True)
class VideoFrame:
    """A picture of the constant-rate video.

    Attributes:
        number: k, from 0; its time is k / fps seconds.
        source: 1-based number of the decoded frame that it shows, as in box files; the
            label of that frame is line `source` after the header of an annotation file.
        source_time: seconds of that frame after the first one.
        image: [height, width, 3] uint8 RGB, upright (rotation flags applied).
    """

    number: int
    source: int
    source_time: float
    image: np.ndarray


class VideoReader:
    """Iterate over the constant-rate frames of one video file; memory does not grow with length.

    After (and during) the iteration, `source_times` holds the time in seconds of each
    source frame passed so far; `notes` states, after it, what of the file could not be used:
    'time-stamps', 'frame-count', 'damaged-frames' -> a sentence. A frame that cannot be decoded
    has no picture: the one nearest in time is shown in its place, with its own number.

    Args:
        lines: of the annotation, which decide how frames are numbered behind one that cannot be
            decoded (`kaffect.data.video.damage`).

    Raises (while iterating):
        VideoError: not a video, no frame that decodes, or one that cannot be timed; the message
            has the path and the 1-based frame number.
    """

    def __init__(
        self, path: str | Path, fps: int = FPS, threads: int = 1, lines: int | None = None
    ) -> None:
        self.path = Path(path)
        self.fps = fps
        self.source_times = array("d")
        self.notes: dict[str, str] = {}
        self._lines = lines
        self.damage = Damage(self.path, lines)
        self._rate: Fraction | None = None
        self._claimed = 0
        self._window = WINDOW
        self._threads = threads
        # One for all frames: to set up a converter takes longer than to convert a small frame.
        self._converter = VideoReformatter()

    @property
    def decoded(self) -> int:
        """Source frames that have a number, so far."""
        return len(self.source_times)

    @property
    def without_picture(self) -> list[int]:
        """The numbers of those that cannot be decoded, ascending."""
        return self.damage.numbers

    def __iter__(self) -> Iterator[VideoFrame]:
        self.source_times = array("d")
        self.damage = Damage(self.path, self._lines)
        number = source = 0
        shown: av.VideoFrame | None = None
        start: Fraction | None = None
        time = Fraction(0)
        timed = DisplayTimes(self.path, self._decode(), lambda: self._rate, lambda: self._window)
        for frame, stamp in timed:
            if frame is None and not self.damage.keeps_numbers:
                self.damage.add(self.decoded, numbered=False)
                continue
            start = stamp if start is None else start
            self.source_times.append(float(stamp - start))
            if frame is None or frame.is_corrupt:
                self.damage.add(self.decoded - 1, numbered=True)
                continue
            if shown is not None:
                # `shown` is nearest until the middle between both time stamps.
                middle = (time + stamp - start) / 2
                image = None
                while Fraction(number, self.fps) <= middle:
                    image = self._upright(shown) if image is None else image
                    yield VideoFrame(number, source, float(time), image)
                    number += 1
            shown, source, time = frame, self.decoded, stamp - start
        if shown is None:
            reason = f": {self.damage.reason}" if self.damage.reason else ""
            raise VideoError(f"{self.path}: no frame could be decoded{reason}")
        self.notes = self._describe(timed)
        end = round((time + self._duration(shown)) * self.fps)
        image = None
        while number < max(end, 1):
            image = self._upright(shown) if image is None else image
            yield VideoFrame(number, source, float(time), image)
            number += 1

    def _describe(self, timed: DisplayTimes[av.VideoFrame | None]) -> dict[str, str]:
        notes = {}
        if timed.rebuilt:
            notes["time-stamps"] = (
                f"{timed.rebuilt} of {self.decoded} time stamps are missing, repeat, jump or run "
                f"backwards; rebuilt from the order of display, by up to {timed.farthest:.3f} s"
            )
        if damaged := self.damage.note(self.decoded):
            notes["damaged-frames"] = damaged
        found = self.decoded - len(self.without_picture)
        if self._claimed and abs(self._claimed - found) > tolerated(found):
            claimed = f"its header claims {self._claimed} frames"
            notes["frame-count"] = f"{claimed}, {found} can be decoded"
        return notes

    def _decode(self) -> Iterator[tuple[av.VideoFrame | None, Fraction | None]]:
        """Each frame with its time stamp in seconds, in the order of display; None: not decoded."""
        try:
            with open_media(self.path) as container:
                if not container.streams.video:
                    raise VideoError(f"{self.path}: holds no video stream")
                stream = container.streams.video[0]
                bounded_stream(self.path, stream)
                stream.codec_context.thread_count = self._threads
                self._rate = stream.average_rate or stream.guessed_rate
                self._claimed = stream.frames
                pixels = stream.codec_context.width * stream.codec_context.height
                self._window = min(WINDOW, max(2, MOST_WAITING_BYTES // max(2 * pixels, 1)))
                yield from in_order(self._packets(container, stream))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise VideoError(f"{self.path}: cannot be read as a video: {reason}") from error

    def _packets(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[tuple[list[av.VideoFrame], Fraction | None, bool]]:
        """What each packet of `stream` decodes to, its time stamp, and whether it is damaged."""
        for packet in self._demux(container, stream):
            stamp = None if packet.pts is None else packet.pts * packet.time_base
            try:
                yield packet.decode(), stamp, False
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError as error:
                self.damage.blame(error)
                yield [], stamp, packet.size > 0

    def _demux(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[av.Packet]:
        """The packets of `stream`, up to where the container itself is damaged."""
        read = False
        try:
            for packet in container.demux(stream):
                yield packet
                read = True
        except av.error.InvalidDataError as error:
            if not read:
                raise
            self.damage.ends(error)

    def _duration(self, frame: av.VideoFrame) -> Fraction:
        """Seconds for which the last frame is shown: as the file states, else the last interval."""
        if frame.duration and frame.time_base is not None:
            own = frame.duration * frame.time_base
            if own <= 1:
                return own
        if self.decoded > 1:
            interval = self.source_times[-1] - self.source_times[-2]
            return Fraction(interval).limit_denominator(100_000)
        return Fraction(1, self.fps)

    def _upright(self, frame: av.VideoFrame) -> np.ndarray:
        image = self._converter.reformat(frame, format="rgb24").to_ndarray()
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def nearest_frame(source_times: np.ndarray, fps: int, frames: int) -> np.ndarray:
    """[source frames] int64: the constant-rate frame nearest to each source frame in time.

    Args:
        source_times: [source frames] float, seconds after the first frame, ascending.
        fps: constant-rate frames a second.
        frames: how many constant-rate frames there are.
    """
    # Half a tick of the coarsest common time base (1/1000 s) never decides otherwise.
    nearest = np.floor(np.asarray(source_times) * fps + 0.5 - 1e-9).astype(np.int64)
    return np.clip(nearest, 0, frames - 1)
