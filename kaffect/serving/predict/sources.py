"""What `kaffect predict` reads: videos, folders, pictures, cameras and stream addresses.

Videos are brought to the frame rate of the training by their time stamps; each frame
also says for which frames of the source it stands, so that answers come once for each.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from kaffect.data.video import media
from kaffect.data.video.media import check_pixels, open_media
from kaffect.data.video.resample import FPS, VideoReader, nearest_frame
from kaffect.errors import VideoError, expected_received

VIDEOS = frozenset({".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"})
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_ADDRESS = re.compile(r"^(rtsp|rtsps|rtmp|http|https|udp|tcp|srt)://", re.IGNORECASE)
_MOST_PIXELS = 50_000_000


@dataclass(frozen=True)
class SourceFrame:
    """A picture of the constant-rate video.

    Attributes:
        number: k, from 0.
        time: seconds since the first frame.
        image: [height, width, 3] uint8 RGB.
        fresh: whether it shows another frame of the source than the one before.
        stands_for: (1-based number, time in seconds) of each frame of the source to which
            it is the nearest.
    """

    number: int
    time: float
    image: np.ndarray
    fresh: bool
    stands_for: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Source:
    """Something to read.

    Attributes:
        name: for files that are written about it.
        where: path, camera number or address.
        kind: 'video', 'pictures', 'camera' or 'stream'.
    """

    name: str
    where: str
    kind: str

    @property
    def live(self) -> bool:
        """Whether it ends only when the user says so."""
        return self.kind in ("camera", "stream")

    @property
    def one_picture(self) -> bool:
        """Whether it is a single picture, not a folder of them."""
        return self.kind == "pictures" and Path(self.where).is_file()

    def frames(self, fps: int = FPS) -> Iterator[SourceFrame]:
        """Its frames, in order.

        Raises:
            VideoError: it cannot be opened or read; says what and where.
        """
        if self.kind == "video":
            return _video(Path(self.where), fps)
        if self.kind == "pictures":
            return _pictures(Path(self.where), fps)
        return _capture(self.where)

    def expected_frames(self, fps: int = FPS) -> int | None:
        """About how many frames it has, for the progress bar only: headers may lie."""
        if self.kind == "pictures":
            return len(_picture_files(Path(self.where)))
        if self.kind != "video":
            return None
        try:
            with open_media(self.where) as container:
                return round(container.duration / 1e6 * fps) if container.duration else None
        except (av.error.FFmpegError, OSError, ValueError):
            return None


def find_sources(what: str) -> list[Source]:
    """The source that `what` names, or all videos of a folder.

    Args:
        what: a video, a picture, a folder of either, a camera's number or an address.

    Raises:
        VideoError: nothing of that kind is there.
    """
    if re.fullmatch(r"\d{1,2}", what) and not Path(what).exists():
        return [Source(f"camera-{what}", what, "camera")]
    if _ADDRESS.match(what):
        return [Source("stream", what, "stream")]
    path = Path(what)
    if path.is_file():
        kind = "pictures" if path.suffix.lower() in PICTURES else "video"
        return [Source(path.stem, str(path), kind)]
    if path.is_dir():
        videos = sorted(p for p in path.iterdir() if p.suffix.lower() in VIDEOS and p.is_file())
        if videos:
            # The suffix too, where two videos differ in nothing else.
            stems = [p.stem for p in videos]
            return [
                Source(p.stem if stems.count(p.stem) == 1 else p.name, str(p), "video")
                for p in videos
            ]
        if _picture_files(path):
            return [Source(path.resolve().name, str(path), "pictures")]
        raise VideoError(f"{path}: a folder without videos or pictures")
    raise VideoError(
        expected_received(
            "Nothing to read", "a video, a picture, a folder, a camera number or an address", what
        )
    )


def _video(path: Path, fps: int) -> Iterator[SourceFrame]:
    """One frame late: only then all frames of the source that it stands for are decoded."""
    reader = VideoReader(path, fps)
    passed, before, shown = 0, None, 0
    for frame in reader:
        if before is not None:
            last = _until(reader, passed, before.number, fps)
            stands_for, passed = _with_pictures(reader, passed, last), last
            fresh, shown = before.source != shown, before.source
            yield SourceFrame(before.number, before.number / fps, before.image, fresh, stands_for)
        before = frame
    for note in reader.notes.values():
        logging.getLogger(__name__).warning("%s: %s", path, note)
    if before is not None:
        rest = _with_pictures(reader, passed, reader.decoded)
        yield SourceFrame(
            before.number, before.number / fps, before.image, before.source != shown, rest
        )


def _until(reader: VideoReader, passed: int, number: int, fps: int) -> int:
    """How many frames of the source belong to the constant-rate frames up to `number`."""
    times = reader.source_times
    for i in range(passed, len(times)):
        if int(nearest_frame(np.array([times[i]]), fps, 2**62)[0]) > number:
            return i
    return len(times)


def _with_pictures(reader: VideoReader, first: int, last: int) -> tuple[tuple[int, float], ...]:
    """Number and time of the source frames from `first` on, before `last`, that were decoded."""
    missing, times = reader.without_picture, reader.source_times
    return tuple((i + 1, times[i]) for i in range(first, last) if i + 1 not in missing)


def _picture_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = (p for p in path.iterdir() if p.suffix.lower() in PICTURES and p.is_file())
    return sorted(files, key=lambda p: (_numbers(p.stem), p.name))


def _numbers(stem: str) -> tuple[int, ...]:
    """frame2 before frame10."""
    return tuple(int(digits) for digits in re.findall(r"\d{1,18}", stem))


def _pictures(path: Path, fps: int) -> Iterator[SourceFrame]:
    for k, file in enumerate(_picture_files(path)):
        yield SourceFrame(k, k / fps, read_picture(file), True, ((k + 1, k / fps),))


def read_picture(path: Path) -> np.ndarray:
    """[height, width, 3] uint8 RGB, upright as the camera says.

    Raises:
        VideoError: not a picture, or more than 50 million pixels.
    """
    try:
        # PyAV reads the size without decoding; OpenCV would decode a bomb.
        with open_media(path, media.PICTURES) as container:
            context = container.streams.video[0].codec_context
            size = (context.width, context.height)
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise VideoError(f"{path}: cannot be read as a picture: {error}") from error
    check_pixels(path, *size, _MOST_PIXELS)
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise VideoError(f"{path}: cannot be decoded as a picture")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _capture(where: str) -> Iterator[SourceFrame]:
    """A camera or a stream: frames as they come, at the times at which they come."""
    capture = cv2.VideoCapture(int(where) if where.isdigit() else where)
    try:
        if not capture.isOpened():
            what = f"camera {where}" if where.isdigit() else where
            raise VideoError(f"{what}: cannot be opened")
        started, number = time.monotonic(), 0
        while True:
            ok, image = capture.read()
            if not ok:
                if not number:
                    raise VideoError(f"{where}: opened, but gives no picture")
                return
            now = time.monotonic() - started
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            yield SourceFrame(number, now, image, True, ((number + 1, now),))
            number += 1
    finally:
        capture.release()
