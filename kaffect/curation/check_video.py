"""Videos of a tree decoded to their end: counts, boxes, pictures in two splits (Section III-A).

The same picture in training and validation is a leak even where the files differ in
name and bytes: each frame is named by a hash of its decoded pixels.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from kaffect.curation.anomalies import Findings
from kaffect.curation.check_text import LENGTH_TOLERANCE
from kaffect.curation.samples import EVERY_FRAME
from kaffect.data.discovery import box_file
from kaffect.data.video.face_folders import FaceFolder
from kaffect.data.video.resample import VideoReader
from kaffect.errors import AnnotationError, VideoError
from kaffect.faces.crops import read_boxes

# A title or a black frame is the same in many videos and proves no leak.
_PLAIN = 4.0
Job = tuple[str, Path, set[str], int, bool]


class _Pictures:
    """Remembers where each picture was first seen, in a few bytes a frame."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[int, int]] = {}
        self._videos: list[tuple[Path, set[str]]] = []
        self._shared: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)

    def begin(self, video: Path, splits: set[str]) -> None:
        self._videos.append((video, splits))

    def add(self, frame: int, image: np.ndarray) -> None:
        """Note a frame (1-based) of the video that was begun last."""
        name = frame_name(image)
        if name is None:
            return
        video = len(self._videos) - 1
        other, other_frame = self._first.setdefault(name, (video, frame))
        # One video in two splits is found by its name, not by its frames.
        if other != video and len(self._videos[other][1] | self._videos[video][1]) > 1:
            self._shared[video, other].append((frame, other_frame))

    def report(self, findings: Findings) -> None:
        for (video, other), frames in self._shared.items():
            (path, splits), (other_path, other_splits) = self._videos[video], self._videos[other]
            frame, other_frame = min(frames)
            findings.add(
                "same-frames", path, frame, f"{len(frames)} pictures of this "
                f"{'/'.join(sorted(splits))} video are in {findings.name(other_path)} "
                f"({'/'.join(sorted(other_splits))}) as well, first its frame {other_frame}"
            )  # fmt: skip


def frame_name(image: np.ndarray) -> int | None:
    """A 64-bit hash of the pixels, or None for a picture without content.

    Args:
        image: [height, width, 3] uint8 RGB.
    """
    if image[::8, ::8].std() < _PLAIN:
        return None
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest()
    return int.from_bytes(digest, "little")


def check_videos(root: Path, jobs: Iterable[Job], findings: Findings) -> int:
    """Decode each video once; return the number of frames.

    Args:
        jobs: (track, video, splits, annotated frames, whether every frame has a line).
    """
    by_video: dict[Path, list[Job]] = defaultdict(list)
    for job in jobs:
        by_video[job[1]].append(job)
    pictures = _Pictures()
    total = 0
    for video, tracks in sorted(by_video.items()):
        pictures.begin(video, set().union(*(job[2] for job in tracks)))
        total += _check_video(root, video, tracks, pictures, findings)
    pictures.report(findings)
    return total


def _check_video(
    root: Path, video: Path, tracks: list[Job], pictures: _Pictures, findings: Findings
) -> int:
    size, last = (0, 0), 0
    whole_lines = max((lines for _, _, _, lines, whole in tracks if whole), default=0)
    reader: VideoReader | FaceFolder = VideoReader(video, EVERY_FRAME, lines=whole_lines)
    if video.is_dir():
        reader = FaceFolder(video, Fraction(EVERY_FRAME), EVERY_FRAME, whole_lines)
    try:
        for frame in reader:
            if frame.source != last and frame.image.size:
                last = frame.source
                size = frame.image.shape[1], frame.image.shape[0]
                pictures.add(frame.source, frame.image)
    except VideoError as error:
        message = str(error).removeprefix(f"{video}: ")
        findings.add("video", video, reader.decoded + 1, message)
        return reader.decoded
    for kind, note in reader.notes.items():
        findings.add(kind, video, None, note)
    for name, _, _, lines, whole in tracks:
        wrong = abs(reader.decoded - lines) if whole else lines - reader.decoded
        if lines and wrong > LENGTH_TOLERANCE:
            message = f"{reader.decoded} frames were decoded, {name} has labels for {lines}"
            findings.add("video-length", video, None, message)
        if not video.is_dir():
            _check_boxes(root, name, size, findings)
    return reader.decoded


def _check_boxes(root: Path, track: str, size: tuple[int, int], findings: Findings) -> None:
    path = box_file(root, track, lambda kind, path, error: None)
    if path is None:
        return
    try:
        boxes = read_boxes(path)
    except AnnotationError:
        return  # the check of the text has reported it
    width, height = size
    for line, (frame, (left, top, right, bottom)) in enumerate(boxes.items(), 2):
        if left >= width or top >= height or right <= 0 or bottom <= 0:
            message = f"the box of frame {frame} lies outside of its {width}x{height} pixels"
            findings.add("box-outside", path, line, message)
