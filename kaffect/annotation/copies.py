"""Copies at a constant 30 frames a second, on which labels are made (paper Section III-A, III-B).

Browsers round times, and films have any rate. In a copy frame k is shown at k / 30
seconds and nowhere else, so that the page always knows which frame it shows. The
manifest says which source frame each frame of the copy is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.annotation.project import Project
from kaffect.data.video.mp4 import Mp4Writer
from kaffect.data.video.resample import FPS, VideoReader
from kaffect.errors import ArtifactError, VideoError
from kaffect.files import (
    atomic_write,
    read_json,
    remove_unfinished,
    safe_join,
    sha256,
    write_json,
    writer_lock,
)

KEYFRAMES = 15  # a seek decodes at most so many frames
MAX_FRAMES = 6 * 3600 * FPS


@dataclass(frozen=True, eq=False)
class Copy:
    """One copy and where its frames come from.

    Attributes:
        path: the MP4 file.
        frames: how many it has.
        sources: [frames] int, 1-based number of the source frame that each frame shows.
        source_times: [source frames] float, seconds after the first one.
        source: the facts of the source file: 'name', 'bytes', 'sha256'.
    """

    name: str
    path: Path
    frames: int
    width: int
    height: int
    sources: np.ndarray
    source_times: np.ndarray
    source: dict[str, Any]


def make_copies(project: Project, say: Callable[[str], None]) -> None:
    """Make every copy that is not there; after a kill, only those are made that lack.

    Of several processes one makes them and the others wait.

    Raises:
        VideoError: a video cannot be decoded; the copies before it are kept.
    """
    if all(_manifest(project, name).exists() for name in project.videos):
        return
    with writer_lock(project.copies / "copies", "the copies", wait=True):
        remove_unfinished(project.copies)
        for number, name in enumerate(project.videos, 1):
            if not _manifest(project, name).exists():
                say(f"making a copy at {FPS} frames a second, {number} of {len(project.videos)}: "
                    f"{name}")  # fmt: skip
                for note in _make(project, name):
                    say(f"{name}: {note}")


def _manifest(project: Project, name: str) -> Path:
    return safe_join(project.copies, f"{name}.json")


def _make(project: Project, name: str) -> tuple[str, ...]:
    """Write one copy; what of the video could not be used, in sentences."""
    source = project.sources[name]
    if not source.is_file():
        raise VideoError(f"{source}: no such file, and {project.root} has no copy of it yet")
    reader = VideoReader(source, FPS)
    sources: list[int] = []
    path = safe_join(project.copies, f"{name}.mp4")
    with atomic_write(path, "wb") as handle, Mp4Writer(handle, FPS, keyframes=KEYFRAMES) as out:
        for frame in reader:
            if len(sources) >= MAX_FRAMES:
                raise VideoError(f"{source}: longer than {MAX_FRAMES} frames at {FPS} a second")
            sources.append(frame.source)
            out.add(frame.image)
            height, width = frame.image.shape[0] // 2 * 2, frame.image.shape[1] // 2 * 2
    # The manifest comes last: a copy without one is made again.
    write_json(
        _manifest(project, name),
        {
            "copy": path.name,
            "fps": FPS,
            "frames": len(sources),
            "width": width,
            "height": height,
            "sha256": sha256(path),
            "source": {
                "name": source.name,
                "bytes": source.stat().st_size,
                "sha256": sha256(source),
            },
            "source frame of each frame": sources,
            "source times": [round(time, 6) for time in reader.source_times],
        },
    )
    return tuple(reader.notes.values())


def open_copy(project: Project, name: str) -> Copy:
    """A copy that `make_copies` made.

    Raises:
        VideoError: it is not there, or its manifest is damaged.
    """
    path = safe_join(project.copies, f"{name}.mp4")
    try:
        facts = read_json(_manifest(project, name))
        copy = Copy(
            name, path, int(facts["frames"]), int(facts["width"]), int(facts["height"]),
            np.asarray(facts["source frame of each frame"], np.int64),
            np.asarray(facts["source times"], np.float64), dict(facts["source"]),
        )  # fmt: skip
    except (ArtifactError, KeyError, TypeError, ValueError) as error:
        raise VideoError(f"{name}: the copy is missing or damaged: {error}") from error
    if copy.frames != len(copy.sources) or not path.is_file():
        raise VideoError(f"{path}: the copy is missing, or does not fit its manifest")
    return copy


def nearest_frames(copy: Copy) -> np.ndarray:
    """For each source frame the frame of the copy that shows it, nearest in time.

    Returns:
        [source frames] int; -1 for a source frame that the copy does not show, which
        nobody has seen (sources with more than 30 frames a second have such).
    """
    nearest = np.full(len(copy.source_times), -1)
    distance = np.full(len(copy.source_times), np.inf)
    for frame, source in enumerate(copy.sources.tolist()):
        apart = abs(frame / FPS - copy.source_times[source - 1])
        if apart < distance[source - 1]:
            distance[source - 1], nearest[source - 1] = apart, frame
    return nearest
