"""Whether video and annotation have the same length (paper Section III-C: a label a frame)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from kaffect.data.annotations.numbers import MAX_LINES
from kaffect.errors import VideoError

# By this much the releases' annotations differ from the decoded videos.
FEWEST_TOLERATED, SHARE_TOLERATED = 3, 0.005


def tolerated(frames: int, setting: int | None = None) -> int:
    """By how many frames a video and an annotation of `frames` lines may differ.

    Args:
        setting: that number; None: the larger of 3 frames and 0.5 %.
    """
    return setting if setting is not None else max(FEWEST_TOLERATED, int(SHARE_TOLERATED * frames))


def check_length(
    video: Path, decoded: int, annotation: Path, lines: int, setting: int | None = None
) -> None:
    """Reject a video whose number of decoded frames does not fit its annotation.

    Args:
        setting: as in `tolerated`.

    Raises:
        VideoError: with both counts.
    """
    most = tolerated(lines, setting)
    if abs(decoded - lines) > most:
        raise VideoError(
            f"{video}: does not fit {annotation}: {decoded} frames were decoded, the annotation "
            f"has lines for {lines}. Expected equal numbers, or a difference of at most {most} "
            "(--length-tolerance allows another one, --keep-going leaves the video out)"
        )


def header_rate(video: Path) -> Fraction | None:
    """Average frames a second by the header of a video file; None where it does not state one."""
    import av

    from kaffect.data.video.media import open_media

    try:
        with open_media(video) as container:
            rate = container.streams.video[0].average_rate
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        return None
    return rate if rate is not None and 1 <= rate <= 1000 else None


def most_frames(video: Path, wanted: int) -> int:
    """How many frames a video file or folder of pictures may hold; nothing is decoded.

    Args:
        wanted: a header that claims at least this many frames is believed; otherwise packets
            are counted, each of which holds at most one frame.

    Returns:
        The count; 10,000,000 at most, and for a file that cannot be opened.
    """
    if video.is_dir():
        from kaffect.data.video.face_folders import picture_files

        return max(picture_files(video))
    # Not at the top: building a command line needs no decoder.
    import av

    from kaffect.data.video.media import open_media

    try:
        with open_media(video) as container:
            stream = container.streams.video[0]
            if stream.frames >= wanted:
                return min(stream.frames, MAX_LINES)
            return min(sum(packet.size > 0 for packet in container.demux(stream)), MAX_LINES)
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        return MAX_LINES
