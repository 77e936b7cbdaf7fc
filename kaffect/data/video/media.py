"""The one place where media files are opened: containers only, and of a bounded size.

FFmpeg also reads play lists (`ffconcat`, HLS) that name other files and addresses, whatever
the suffix says. Only the containers below are opened here, and only from files.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av

from kaffect.errors import VideoError, expected_received

# FFmpeg's names of formats that contain the video itself and refer to no other file.
CONTAINERS = (
    "mov", "mp4", "matroska", "webm", "avi", "mpeg", "mpegvideo", "mpegts", "asf", "flv", "ogg",
    "m4v", "h264", "hevc", "ivf", "nut", "mxf", "gif", "yuv4mpegpipe",
)  # fmt: skip
PICTURES = (
    "image2", "png_pipe", "jpeg_pipe", "bmp_pipe", "webp_pipe", "tiff_pipe", "gif_pipe",
)  # fmt: skip
# Pixels of a frame of 8K video.
MOST_PIXELS = 8192 * 4320
# Of decoded frames in each queue: 145 frames of 640x480.
MOST_WAITING_BYTES = 128 * 2**20


@contextlib.contextmanager
def open_media(
    path: str | Path, formats: tuple[str, ...] = CONTAINERS
) -> Iterator[av.container.InputContainer]:
    """Open a media file of one of `formats`.

    Raises:
        av.error.FFmpegError, OSError, ValueError: as PyAV raises them; also for other formats.
    """
    # A path from the root: FFmpeg takes "name:rest" for an address.
    with av.open(
        str(Path(path).absolute()),
        options={"format_whitelist": ",".join(formats), "protocol_whitelist": "file"},
    ) as container:
        yield container


def check_pixels(path: str | Path, width: int, height: int, most: int = MOST_PIXELS) -> None:
    """Reject pictures that would take too much memory; call it before they are decoded.

    Raises:
        VideoError: more than `most` pixels.
    """
    if width * height > most:
        received = f"{width}x{height}"
        raise VideoError(
            f"{path}: " + expected_received("Size of a picture", f"at most {most} pixels", received)
        )


def bounded_stream(path: str | Path, stream: av.VideoStream) -> None:
    """Let the decoder of `stream` reject frames that are too large, also later ones.

    Raises:
        VideoError: the header announces them already.
    """
    context = stream.codec_context
    check_pixels(path, context.width, context.height)
    context.options = {**context.options, "max_pixels": str(MOST_PIXELS)}
