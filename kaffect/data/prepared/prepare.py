"""Data tree -> TFRecord shards with frame index and manifest (paper Section III, all of it).

One record for each 30-fps frame of each track. Annotation text is read first, then every video
goes into parts of its own (`video_job`), then all parts into shards (`shards`). The folder is
complete or absent, its bytes depend on the tree and the settings only, and what an interrupted
run has decoded is used again: parts are whole or absent and are named by what they are made of.
"""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2

from kaffect.config.preparation import DEFAULT_DETECTOR
from kaffect.data.annotations.files import Annotation
from kaffect.data.prepared.settings import PrepareSettings
from kaffect.data.prepared.shards import describe, read_description, write_prepared
from kaffect.data.prepared.video_job import TrackJob, VideoJob, video_jobs
from kaffect.data.tree import DataTree, Track
from kaffect.errors import AnnotationError, DatasetError, KaffectError, VideoError
from kaffect.faces import TrackerConfig
from kaffect.faces.crops import CropRule
from kaffect.files import atomic_directory, home, stable_hash, writer_lock
from kaffect.labels import ACTION_UNITS_8, EXPRESSIONS_7, LABEL_SPACES, LabelSpace
from kaffect.progress import ProgressDisplay

__all__ = ["PrepareSettings", "label_space", "prepare_tree", "prepared_path"]

# Bytes of one 96x96 crop, generously; for the check of free space before work starts.
_BYTES_PER_PIXEL = {"jpeg": 0.7, "png": 2.8, "raw": 3.0}
# Errors of a video or its annotation: with `keep_going` the other videos are still done.
BAD_INPUT = (VideoError, AnnotationError)
Failures = dict[Path, KaffectError]


@dataclass(frozen=True)
class RunnerOptions:
    """How the videos are processed; nothing here changes a byte of the result.

    Attributes:
        workers: videos at a time.
        progress: whether to show it.
        keep_going: skip bad videos and do the others.
    """

    workers: int
    progress: bool
    keep_going: bool


# Processes all videos. Returns the bad ones with `keep_going`, else raises the first error.
Runner = Callable[[Sequence[VideoJob], PrepareSettings, RunnerOptions], Failures]


def prepare_tree(
    tree: DataTree | str | Path,
    out_dir: str | Path | None = None,
    *,
    image_size: int = 96,
    align: str = "none",
    detector: str | None = DEFAULT_DETECTOR,
    detector_model: str | Path | None = None,
    tracker: TrackerConfig | None = None,
    fps: int = 30,
    encoding: str = "jpeg",
    reencode: bool = False,
    keep_going: bool = False,
    workers: int = 2,
    shard_frames: int = 16384,
    length_tolerance: int | None = None,
    progress: bool = True,
    runner: Runner | None = None,
) -> Path:
    """Prepare a data tree, or return the folder where that has been done already.

    Args:
        tree: the tree or its folder.
        out_dir: where to; by default a folder of `$KAFFECT_HOME/prepared` that is named
            by a hash of the tree's files and the settings. While another process prepares it
            this one waits; one that is named here is refused then.
        align: 'none': the face box as it is, as in the paper; '5-point': turned and scaled
            by eyes, nose and mouth.
        detector: 'mtcnn', 'haar' or 'mediapipe' finds the faces of tracks without a file
            in `boxes/`; 'none' (or None): they get the centre square of the frame.
        detector_model: model file, for 'mediapipe'.
        tracker: how people are followed between detections.
        reencode: also store each video as MP4 at `fps` frames a second (Section III-A).
        keep_going: leave out videos that cannot be prepared; the manifest lists them.
        workers: videos that are decoded at a time (threads; OpenCV and the decoders
            release the interpreter lock).
        length_tolerance: frames by which a video and its annotation may differ; None: the
            larger of 3 and 0.5 % of the annotation.
        progress: whether to show it, with the time that is left.
        runner: processes the videos; None: threads of this machine;
            `kaffect.data.prepared.beam.beam_runner()` for many machines.

    Returns:
        The folder; open it with `kaffect.data.prepared.records.PreparedData.open`.

    Raises:
        AnnotationError, VideoError, DatasetError: bad input, in the order in which it is
            met; annotation text is read before any video. Or another process writes `out_dir`.
        ConfigError: settings that are not accepted, or a detector that is not installed.
    """
    if not isinstance(tree, DataTree):
        tree = DataTree.open(tree)
    settings = PrepareSettings(
        rule=CropRule(mode="paper" if align == "none" else align, image_size=image_size),
        fps=fps,
        encoding=encoding,
        shard_frames=shard_frames,
        length_tolerance=length_tolerance,
        detector=detector,
        detector_model=Path(detector_model) if detector_model is not None else None,
        tracker=tracker or TrackerConfig(),
        reencode=reencode,
    ).for_tree(tree)
    out = Path(out_dir) if out_dir is not None else prepared_path(tree, settings)
    if _is_prepared(out, tree, settings, keep_going):
        return out
    # A folder of the cache is everybody's: the second to come waits and then finds it made.
    with writer_lock(out, "the prepared data set", wait=out_dir is None):
        if _is_prepared(out, tree, settings, keep_going):  # another run made it in the meantime
            return out
        _remove_unfinished(out)
        options = RunnerOptions(max(1, workers), progress, keep_going)
        _Preparation(tree, settings, out, options, runner or run_in_threads).run()
    return out


def prepared_path(tree: DataTree, settings: PrepareSettings) -> Path:
    """The folder in the cache for `tree` prepared with `settings`."""
    return home() / "prepared" / stable_hash([tree.hash(), settings.to_dict()])


def _is_prepared(out: Path, tree: DataTree, settings: PrepareSettings, keep_going: bool) -> bool:
    manifest = read_description(out)
    if manifest is None or (manifest.get("skipped") and not keep_going):
        return False  # videos that were skipped are an error unless `keep_going`
    return bool(
        manifest.get("settings") == settings.to_dict() and manifest.get("data_hash") == tree.hash()
    )


def _remove_unfinished(out: Path) -> None:
    """Delete what a killed run left of this folder; the parts stay and are used again."""
    for leftover in out.parent.glob(f".unfinished-{out.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


@dataclass
class _Preparation:
    """One run of `prepare_tree`, under its lock."""

    tree: DataTree
    settings: PrepareSettings
    out: Path
    options: RunnerOptions
    runner: Runner
    failures: Failures = field(default_factory=dict)

    @functools.cached_property
    def _described(self) -> dict[str, Any]:
        return self.settings.to_dict()

    @property
    def _parts(self) -> Path:
        return self.out.with_name(self.out.name + ".parts")

    def run(self) -> None:
        annotations = self._read_labels()
        space = label_space(a for found in annotations.values() for a in found.values())
        jobs = [
            TrackJob(
                track, annotations[track.name], len(space.action_units), self._track_part(track)
            )
            for track in self.tree.tracks
            if track.video not in self.failures
        ]
        videos = video_jobs(jobs, self._video_part, self.settings)
        self._check_space(videos)
        self._parts.mkdir(parents=True, exist_ok=True)
        self.failures |= self.runner(videos, self.settings, self.options)
        done = [job for job in jobs if job.track.video not in self.failures]
        if not done:
            raise DatasetError(
                f"{self.tree.root}: none of its videos could be prepared. The first problem: "
                f"{next(iter(self.failures.values()))}"
            )
        copies = {
            job.video.stem: job.video_copy
            for job in videos
            if job.video_copy is not None and job.video not in self.failures
        }
        with atomic_directory(self.out) as folder:
            write_prepared(folder, done, self.settings.shard_frames, self._describe(space), copies)
        shutil.rmtree(self._parts)

    def _read_labels(self) -> dict[str, dict[str, Annotation]]:
        found = {}
        for track in self.tree.tracks:
            try:
                found[track.name] = track.labels()
            except AnnotationError as error:
                if not self.options.keep_going:
                    raise
                self.failures.setdefault(track.video, error)
        return found

    def _track_part(self, track: Track) -> Path:
        """Stem of the files of a track; the others of its video decide which person it is about."""
        together = [t for t in self.tree.tracks if t.video == track.video]
        files: list[Path] = [track.video, *track.annotations.values()]
        files += [t.boxes for t in together if t.boxes]
        names = sorted(t.name for t in together)
        digests = sorted(self.tree.digests[path] for path in files)
        return self._parts / stable_hash([track.name, names, digests, self._described])

    def _video_part(self, video: Path) -> Path:
        """Stem of the files of a video as a whole: its faces, its copy."""
        settings = [self._described[name] for name in ("fps", "detector")]
        return self._parts / stable_hash([self.tree.digests[video], settings])

    def _describe(self, space: LabelSpace) -> dict[str, Any]:
        tree = self.tree
        described = describe(
            self._described, space, tree.hash(), synthetic=tree.synthetic, missing=tree.missing
        )
        return {**described, "skipped": self._skipped()}

    def _skipped(self) -> list[dict[str, Any]]:
        """The videos that were left out, and why, without paths of this machine."""
        here = f"{self.tree.root}/"
        return [
            {
                "video": video.name,
                "tracks": [t.name for t in self.tree.tracks if t.video == video],
                "reason": str(error).replace(here, ""),
            }
            for video, error in sorted(self.failures.items())
        ]

    def _check_space(self, videos: Sequence[VideoJob]) -> None:
        pixels = self.settings.rule.image_size**2
        record = pixels * _BYTES_PER_PIXEL[self.settings.encoding] + 600
        frames = sum(job.lines * len(job.tracks) for job in videos)
        needed = int(2 * frames * record)  # parts and shards are there at the same time
        self.out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.out.parent).free
        if free < 1.1 * needed:
            raise DatasetError(
                f"{self.out}: not enough free space to prepare {frames} frames. Expected about "
                f"{needed // 2**20} MiB free. Received: {free // 2**20} MiB"
            )


class _Stopped(Exception):
    """Another thread failed or the user interrupted."""


def run_in_threads(
    videos: Sequence[VideoJob], settings: PrepareSettings, options: RunnerOptions
) -> Failures:
    """Write the missing parts, several videos at a time, on this machine."""
    # Long videos first, so that no thread waits for the last one.
    todo = sorted((v for v in videos if v.passes), key=lambda v: -v.lines * v.passes)
    stop, failures = threading.Event(), Failures()
    total = sum(video.lines * video.passes for video in todo)
    shown = ProgressDisplay(
        total, "preparing frames", "frame", show=options.progress and bool(todo)
    )

    def report(frames: int) -> None:
        if stop.is_set():
            raise _Stopped
        shown.update(frames)

    def work(video: VideoJob) -> None:
        try:
            video.run(settings, report)
        except BAD_INPUT as error:
            if not options.keep_going:
                raise
            failures[video.video] = error

    cv2_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with shown, ThreadPoolExecutor(options.workers) as pool:
            futures = [pool.submit(work, video) for video in todo]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                stop.set()
                for future in futures:
                    future.cancel()
            wait(futures)
    finally:
        cv2.setNumThreads(cv2_threads)
    errors = [f.exception() for f in futures if not f.cancelled() and f.exception()]
    for error in sorted(errors, key=lambda e: isinstance(e, _Stopped)):
        raise error  # type: ignore[misc]
    return failures


def label_space(annotations: Iterator[Annotation]) -> LabelSpace:
    """The classes of a tree: those of all its files, or Aff-Wild's where it has no such file.

    Raises:
        DatasetError: two files of one task have different classes.
    """
    first: dict[str, Annotation] = {}
    for annotation in annotations:
        other = first.setdefault(annotation.task, annotation)
        if other.columns != annotation.columns:
            raise DatasetError(
                f"{annotation.path}: other classes than {other.path}; one data set has one label "
                f"space. Expected {','.join(other.columns)}. Received: "
                f"{','.join(annotation.columns)}"
            )
    expressions = first["expression"].columns if "expression" in first else None
    units = first["au"].columns if "au" in first else None
    for space in LABEL_SPACES.values():
        if expressions in (None, space.expressions) and units in (None, space.action_units):
            return space
    return LabelSpace("mixed", expressions or EXPRESSIONS_7, units or ACTION_UNITS_8)
