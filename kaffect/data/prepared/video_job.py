"""One video from file to crops with labels, 30 a second (paper Sections III-A and III-E).

The unit of work of `kaffect data prepare`, on one machine or many: find faces, choose people,
crop, encode, write. What is written depends on the video, its annotation and the settings
only. Each label follows its source frame: the constant-rate frame that shows source frame i
carries label line i. Loads no TensorFlow.
"""

from __future__ import annotations

import contextlib
import threading
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from kaffect.background import in_background
from kaffect.data.annotations.files import Annotation
from kaffect.data.prepared.examples import encode_frame, encode_image
from kaffect.data.prepared.settings import PrepareSettings
from kaffect.data.prepared.track_people import choose_people
from kaffect.data.tree import Track
from kaffect.data.video.face_folders import FaceFolder
from kaffect.data.video.lengths import check_length, tolerated
from kaffect.data.video.media import MOST_WAITING_BYTES
from kaffect.data.video.mp4 import Mp4Writer
from kaffect.data.video.resample import VideoFrame, VideoReader, nearest_frame
from kaffect.errors import AnnotationError, VideoError
from kaffect.faces import FaceDetector, create_detector
from kaffect.faces.crops import read_boxes
from kaffect.faces.video_faces import VideoFaces, find_faces
from kaffect.files import atomic_write, stable_hash
from kaffect.labels import AU, EXPRESSION, LABEL_COLUMNS, TASK_BY_NAME, VA

# A note is made of a track with a face in a smaller share of its annotated frames.
_LOW_COVERAGE = 0.5
# Frames that decoding may be ahead of writing; of large ones fewer.
_AHEAD = 32
_lock = threading.Lock()
_idle: dict[str, list[FaceDetector]] = {}


@dataclass(frozen=True)
class TrackJob:
    """A track to prepare.

    Attributes:
        annotations: task -> labels.
        units: how many Action Units the label space has.
        part: stem of the two files to write: `records` and, when that is complete, `columns`.
    """

    track: Track
    annotations: dict[str, Annotation]
    units: int
    part: Path

    @property
    def records(self) -> Path:
        """File of all Examples, concatenated without framing."""
        return self.part.with_name(self.part.name + ".records")

    @property
    def columns(self) -> Path:
        """File of the arrays of `_TrackWriter.finish`; `length` separates the Examples."""
        return self.part.with_name(self.part.name + ".npz")


@dataclass(frozen=True)
class TrackFaces:
    """Where the face of a track is, by 1-based source frame; no entry means no face.

    Attributes:
        boxes: [4] (left, top, right, bottom) in pixels each.
        landmarks: [5, 2] each; empty where they are not needed.
        found: by a detector; else the user gave a box file.
    """

    boxes: dict[int, np.ndarray]
    landmarks: dict[int, np.ndarray] = field(default_factory=dict)
    found: bool = False


@dataclass(frozen=True)
class VideoJob:
    """A video file to prepare.

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
        """How many frames are annotated: an estimate of the length before decoding."""
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
        """Write the parts that are missing.

        Args:
            progress: called with the number of newly decoded source frames; may raise to stop.

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
        write_tracks(self.tracks, chosen, settings, progress, self.video_copy)

    def _find(
        self, settings: PrepareSettings, path: Path, progress: Callable[[int], None]
    ) -> VideoFaces:
        if path.is_file():
            return VideoFaces.load(path)
        reader, reported = open_frames(self.tracks, settings.fps), 0

        def passed(frame: int) -> None:
            nonlocal reported
            progress(frame - reported)
            reported = frame

        with _detector_for(settings) as detector:
            found = find_faces(_source_frames(reader), detector, settings.tracker, passed)
        passed(reader.decoded)
        found.save(path)
        return found


def _source_frames(reader: VideoReader | FaceFolder) -> Iterator[tuple[int, np.ndarray]]:
    """The source frames that the constant-rate video shows, each once."""
    last = 0
    for frame in reader:
        if frame.source != last:
            last = frame.source
            yield last, frame.image


@contextlib.contextmanager
def _detector_for(settings: PrepareSettings) -> Iterator[FaceDetector]:
    """A detector for this thread alone: cascades and networks keep state while they detect.

    It is kept for the next video: loading a network takes longer than a short video.
    """
    key = stable_hash([settings.detector, str(settings.detector_model)])
    with _lock:
        idle = _idle.setdefault(key, [])
        detector = idle.pop() if idle else None
    if detector is None:
        detector = create_detector(settings.detector or "", settings.detector_model)
    yield detector
    with _lock:  # not after an error, which may have left it in any state
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
    jobs: Sequence[TrackJob], part: Callable[[Path], Path], settings: PrepareSettings
) -> list[VideoJob]:
    """Tracks grouped by video file, in the order of their first track.

    Args:
        part: video -> stem of the files that belong to it as a whole.
    """
    groups: dict[Path, list[TrackJob]] = {}
    for job in jobs:
        groups.setdefault(job.track.video, []).append(job)
    made = []
    for video, tracks in groups.items():
        stem = part(video)
        film = not video.is_dir()
        needs_detector = (
            film
            and settings.detector is not None
            and (settings.rule.mode == "5-point" or any(job.track.boxes is None for job in tracks))
        )
        made.append(
            VideoJob(
                tuple(tracks),
                stem.with_name(stem.name + ".faces") if needs_detector else None,
                stem.with_name(stem.name + ".mp4") if settings.reencode and film else None,
            )
        )
    return made


def source_labels(
    annotations: dict[str, Annotation], units: int, frames: int
) -> dict[str, np.ndarray]:
    """The labels of all source frames of a track, by the names in `LABEL_COLUMNS`.

    A missing label has value 0 and valid False. The last row has no label; it serves all frames
    behind the annotated ones.

    Args:
        annotations: task -> labels.
        units: how many Action Units the label space has.
        frames: how many source frames are annotated.

    Returns:
        'valence_arousal' [frames + 1, 2] float32 in [-1, 1], 'expression' [frames + 1] int32
        class numbers, 'action_units' [frames + 1, units] int8 0 or 1, and for each
        '<task>_valid' [frames + 1] bool.
    """
    frames += 1
    columns: dict[str, np.ndarray] = {
        VA.column: np.zeros((frames, 2), np.float32),
        EXPRESSION.column: np.zeros(frames, np.int32),
        AU.column: np.zeros((frames, units), np.int8),
    }
    columns |= {task.valid: np.zeros(frames, bool) for task in TASK_BY_NAME.values()}
    for name, annotation in annotations.items():
        n = min(len(annotation), frames)
        task, valid = TASK_BY_NAME[name], annotation.valid[:n]
        target = columns[task.column]
        target[:n][valid] = annotation.values[:n][valid].reshape(-1, *target.shape[1:])
        columns[task.valid][:n] = valid
    return columns


class _TrackWriter:
    """Crops, encodes and stores the frames of one track while its video is read."""

    def __init__(
        self, job: TrackJob, faces: TrackFaces | None, settings: PrepareSettings, out: IO[bytes]
    ) -> None:
        self._job, self._settings, self._out = job, settings, out
        self._boxes = None if faces is None else faces.boxes
        self._landmarks = {} if faces is None else faces.landmarks
        self._found = faces is not None and faces.found
        lines = max(len(a) for a in job.annotations.values())
        self._labels = source_labels(job.annotations, job.units, lines)
        self._most = lines + tolerated(lines, settings.length_tolerance)
        self._partial = all(a.partial for a in job.annotations.values())
        self._blank = encode_image(settings.rule.blank(), settings.encoding)
        self._image, self._source = b"", 0
        # Arrays: an hour of video is 100,000 rows.
        self.lengths, self.sources, self.faces = array("i"), array("i"), array("b")

    def add(self, frame: VideoFrame) -> None:
        if frame.source > self._most and not self._partial:
            return  # the video is too long; `finish` raises
        box = None if self._boxes is None else self._boxes.get(frame.source)
        face = (self._boxes is None or box is not None) and frame.image.size > 0
        if frame.source != self._source:
            self._source = frame.source
            self._image = self._picture(frame, box) if face else self._blank
        record = self._example(frame, face)
        self._out.write(record)
        self.lengths.append(len(record))
        self.sources.append(frame.source)
        self.faces.append(face)

    def _picture(self, frame: VideoFrame, box: np.ndarray | None) -> bytes:
        rule = self._settings.rule
        if self._job.track.video.is_dir():  # pictures of faces: taken as they are
            rule = replace(rule, mode="paper")
        try:
            landmarks = self._landmarks.get(frame.source)
            crop = rule.apply(frame.image, box, landmarks)
        except VideoError as error:
            where = self._job.track.boxes or self._job.track.video
            raise VideoError(f"{where}: frame {frame.source}: {error}") from error
        return encode_image(crop, self._settings.encoding)

    def _example(self, frame: VideoFrame, face: bool) -> bytes:
        row = self._label_rows(frame.source)
        return encode_frame(
            self._image,
            self._job.track.name,
            frame.number,
            self._settings.fps,
            source=frame.source,
            has_face=face,
            labels={name: self._labels[name][row] for name in LABEL_COLUMNS},
        )

    def _label_rows(self, sources: Any) -> Any:
        """Where the labels of source frames (1-based) are in `_labels`."""
        return np.minimum(sources, len(self._labels[VA.valid])) - 1

    def finish(self, times: np.ndarray, reader: VideoReader | FaceFolder) -> dict[str, np.ndarray]:
        """Check the counts; return the columns of the track (rows, and `source_` for scoring).

        Args:
            times: of the source frames, in seconds; reader: with its notes, and the numbers of
                frames that cannot be decoded, which are not scored.
        """
        notes = list(reader.notes.values())
        decoded = len(times)
        track = self._job.track
        for annotation in self._job.annotations.values():
            lines, setting = len(annotation), self._settings.length_tolerance
            if not annotation.partial:
                check_length(track.video, decoded, annotation.path, lines, setting)
            elif lines > decoded + tolerated(decoded, setting):
                raise AnnotationError(
                    annotation.path, annotation.last_line, f"a row for frame {lines} of "
                    f"{track.name!r}, but {decoded} frames were decoded of {track.video}"
                )  # fmt: skip
        last_box = max(self._boxes, default=0) if self._boxes else 0
        if last_box > decoded + tolerated(decoded, self._settings.length_tolerance):
            raise AnnotationError(
                track.boxes or "", None, f"a box for frame {last_box}, but {track.video} has "
                f"{decoded} frames"
            )  # fmt: skip
        sources = np.array(self.sources, np.int32)
        columns = {name: self._labels[name][self._label_rows(sources)] for name in LABEL_COLUMNS}
        columns["source_frame"] = sources
        columns["has_face"] = np.array(self.faces, bool)
        columns["length"] = np.array(self.lengths, np.int32)
        labelled = [self._labels[TASK_BY_NAME[task].valid] for task in self._job.annotations]
        annotated = np.any(labelled, axis=0)[:decoded]
        missing = [number for number in reader.without_picture if number <= len(annotated)]
        annotated[np.array(missing, np.int64) - 1] = False
        places = np.flatnonzero(annotated)
        nearest = nearest_frame(times, self._settings.fps, len(sources))
        columns["source_row"] = nearest[places]
        columns["source_number"] = places.astype(np.int32) + 1
        columns["source_seconds"] = times[places].astype(np.float32)
        columns["source_frames"] = np.array(decoded)
        faces = columns["has_face"][nearest[places]]
        coverage = float(faces.mean()) if len(faces) else 1.0
        columns["coverage"] = np.array(coverage)
        if coverage < _LOW_COVERAGE:
            notes = [*notes, f"a face of {track.name!r} in {faces.sum()} of {len(faces)} "
                     "annotated frames only: look whether it is the right person"]  # fmt: skip
        columns["notes"] = np.array(notes, np.str_)
        for name in LABEL_COLUMNS:
            columns[f"source_{name}"] = self._labels[name][places]
        if self._found and self._boxes is not None:
            columns["found_frame"] = np.array(sorted(self._boxes), np.int32)
            boxes = [self._boxes[number] for number in sorted(self._boxes)]
            columns["found_box"] = np.array(boxes, np.float32).reshape(-1, 4)
        return columns


def open_frames(jobs: Sequence[TrackJob], fps: int) -> VideoReader | FaceFolder:
    """The reader of the video file or folder of pictures that these tracks are of."""
    track = jobs[0].track
    whole = [a for job in jobs for a in job.annotations.values() if not a.partial]
    lines = max(map(len, whole), default=0)
    if track.video.is_dir():
        return FaceFolder(track.video, track.rate, fps, lines)
    return VideoReader(track.video, fps, lines=lines)


def write_tracks(
    jobs: Sequence[TrackJob],
    faces: Mapping[str, TrackFaces],
    settings: PrepareSettings,
    progress: Callable[[int], None],
    video_copy: Path | None = None,
) -> None:
    """Decode one video once and write the part of each of its tracks.

    A part is complete when its columns are there: they are written last.

    Args:
        jobs: the tracks of one video file.
        faces: by track name; a track without entry gets the centre of the frame.
        progress: called with the number of newly decoded source frames; may raise to stop.
        video_copy: where to write the constant-rate video as MP4, or None.

    Raises:
        VideoError, AnnotationError: as `VideoReader` and `check_length`.
    """
    reader = open_frames(jobs, settings.fps)
    with contextlib.ExitStack() as files:
        writers = [
            _TrackWriter(
                job, faces.get(job.track.name), settings,
                files.enter_context(atomic_write(job.records, "wb")),
            )
            for job in jobs
        ]  # fmt: skip
        copy = None
        if video_copy is not None:
            handle = files.enter_context(atomic_write(video_copy, "wb"))
            copy = files.enter_context(Mp4Writer(handle, settings.fps))
        reported = 0
        decoded = in_background(reader, _AHEAD, _bytes, MOST_WAITING_BYTES // 4)
        for frame in files.enter_context(contextlib.closing(decoded)):
            for writer in writers:
                writer.add(frame)
            if copy is not None:
                copy.add(frame.image)
            progress(reader.decoded - reported)
            reported = reader.decoded
        progress(reader.decoded - reported)
        times = np.asarray(reader.source_times)
        columns = [writer.finish(times, reader) for writer in writers]
    for job, values in zip(jobs, columns):
        with atomic_write(job.columns, "wb") as handle:
            np.savez(handle, **values)  # type: ignore[arg-type]


def _bytes(frame: VideoFrame) -> int:
    return frame.image.nbytes
