"""One video from file to crops with labels: find faces, choose people, write (paper Section III).

The unit of work of `kaffect data prepare`, on one machine or many: what it writes
depends on the video, its annotation and the settings only.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaffect.data.prepared.settings import PrepareSettings
from kaffect.data.prepared.track_frames import TrackFaces, TrackJob, write_tracks
from kaffect.data.prepared.track_people import choose_people
from kaffect.data.video.resample import VideoReader
from kaffect.faces import FaceDetector, create_detector
from kaffect.faces.crops import read_boxes
from kaffect.faces.video_faces import VideoFaces, find_faces
from kaffect.files import stable_hash

_lock = threading.Lock()
_idle: dict[str, list[FaceDetector]] = {}


@dataclass(frozen=True)
class VideoJob:
    """A video file that is to be prepared.

    Attributes:
        tracks: its annotated tracks.
        faces: file for all faces of it, written first; None where no detector is needed.
        video_copy: file for its copy at the constant rate, or None.
    """

    tracks: tuple[TrackJob, ...]
    faces: Path | None = None
    video_copy: Path | None = None

    @property
    def video(self) -> Path:
        return self.tracks[0].track.video

    @property
    def lines(self) -> int:
        """Frames, as far as the annotation tells."""
        return max(len(a) for job in self.tracks for a in job.annotations.values())

    @property
    def passes(self) -> int:
        """How often the video still has to be decoded."""
        return int(not self._written) + int(not self._written and self._faces_missing)

    @property
    def _written(self) -> bool:
        copied = self.video_copy is None or self.video_copy.is_file()
        return copied and all(job.columns.is_file() for job in self.tracks)

    @property
    def _faces_missing(self) -> bool:
        return self.faces is not None and not self.faces.is_file()

    def run(self, settings: PrepareSettings, progress: Callable[[int], None]) -> None:
        """Write what is not there yet.

        Args:
            progress: is told how many more source frames were decoded; may raise to stop.

        Raises:
            VideoError, AnnotationError: bad input, as `VideoReader`, `read_boxes` and
                `check_length`.
        """
        if self._written:
            return
        given = {
            job.track.name: read_boxes(job.track.boxes)
            for job in self.tracks
            if job.track.boxes is not None
        }
        chosen = {name: TrackFaces(boxes) for name, boxes in given.items()}
        if self.faces is not None:
            found = self._find(settings, self.faces, progress)
            names = [job.track.name for job in self.tracks]
            aligned = settings.rule.mode == "5-point"
            for name, people in choose_people(names, self.video.stem, found, given).items():
                if name not in given or aligned:
                    chosen[name] = _faces_of(found, people, aligned)
        write_tracks(self.tracks, chosen, settings.frames, progress, self.video_copy)

    def _find(
        self, settings: PrepareSettings, path: Path, progress: Callable[[int], None]
    ) -> VideoFaces:
        if path.is_file():
            return VideoFaces.load(path)
        with _borrowed(settings) as detector:
            found = find_faces(self._source_frames(settings, progress), detector, settings.tracker)
        found.save(path)
        return found

    def _source_frames(
        self, settings: PrepareSettings, progress: Callable[[int], None]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """The source frames that the constant-rate video shows, each once."""
        reader, last, told = VideoReader(self.video, settings.fps), 0, 0
        for frame in reader:
            if frame.source != last:
                last = frame.source
                yield last, frame.image
            progress(reader.decoded - told)
            told = reader.decoded
        progress(reader.decoded - told)


@contextlib.contextmanager
def _borrowed(settings: PrepareSettings) -> Iterator[FaceDetector]:
    """A detector for the block alone: cascades and networks keep a state while they look.

    It is kept for the next video; to load a network takes longer than a short video.
    """
    key = stable_hash([settings.detector, str(settings.detector_model)])
    with _lock:
        idle = _idle.setdefault(key, [])
        detector = idle.pop() if idle else None
    if detector is None:
        detector = create_detector(settings.detector or "", settings.detector_model)
    yield detector
    with _lock:  # not after an error: who knows what state it is in
        idle.append(detector)


def _faces_of(found: VideoFaces, people: tuple[int, ...], aligned: bool) -> TrackFaces:
    mine = found.joined(people)
    width, height = found.size.tolist()
    boxes = mine.box.astype(np.float64).round(1).clip(0, [width, height, width, height])
    usable = (boxes[:, 2:] - boxes[:, :2] >= 2).all(axis=1)
    if aligned:
        usable &= np.isfinite(mine.landmarks).all(axis=(1, 2))
    frames = mine.frame.tolist()
    rows = np.flatnonzero(usable).tolist()
    return TrackFaces(
        {frames[row]: boxes[row] for row in rows},
        {frames[row]: mine.landmarks[row] for row in rows} if aligned else {},
        found=True,
    )


def video_jobs(
    jobs: Sequence[TrackJob], parts: dict[Path, Path], settings: PrepareSettings
) -> list[VideoJob]:
    """Tracks grouped by video file, in the order of their first track.

    Args:
        parts: video -> stem of the files that belong to it as a whole.
    """
    groups: dict[Path, list[TrackJob]] = {}
    for job in jobs:
        groups.setdefault(job.track.video, []).append(job)
    made = []
    for video, tracks in groups.items():
        stem = parts[video]
        film = not video.is_dir()
        looking = (
            film
            and settings.detector is not None
            and (settings.rule.mode == "5-point" or any(job.track.boxes is None for job in tracks))
        )
        made.append(
            VideoJob(
                tuple(tracks),
                stem.with_name(stem.name + ".faces") if looking else None,
                stem.with_name(stem.name + ".mp4") if settings.reencode and film else None,
            )
        )
    return made
