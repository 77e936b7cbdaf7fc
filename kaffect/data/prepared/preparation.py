"""One run of `kaffect data prepare` that has something to do (paper Section III).

Annotation text first, then every video into parts of its own, then all parts into
shards. Parts are whole or absent and are named by what they are made of.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from kaffect.data.annotations.files import Annotation
from kaffect.data.prepared.settings import PrepareSettings
from kaffect.data.prepared.shards import KIND, SCHEMA_VERSION, write_prepared
from kaffect.data.prepared.track_frames import TrackJob
from kaffect.data.prepared.video_job import VideoJob, video_jobs
from kaffect.data.tree import DataTree, Track
from kaffect.errors import AnnotationError, DatasetError, KaffectError, VideoError
from kaffect.files import atomic_directory, stable_hash
from kaffect.labels import ACTION_UNITS_8, EXPRESSIONS_7, LABEL_SPACES, LabelSpace
from kaffect.progress import ProgressDisplay

# Bytes of one 96x96 crop, generously; for the check of free space before work starts.
_BYTES_PER_PIXEL = {"jpeg": 0.7, "png": 2.8, "raw": 3.0}
# What one video may suffer without being the fault of kaffect or of the machine.
BAD_INPUT = (VideoError, AnnotationError)
Failures = dict[Path, KaffectError]


@dataclass(frozen=True)
class RunnerOptions:
    """How the videos are done; nothing here changes a byte of the result.

    Attributes:
        workers: videos at a time.
        progress: whether to show it.
        keep_going: whether a bad video is noted and the others are done.
    """

    workers: int
    progress: bool
    keep_going: bool


# Runs all videos; gives the bad ones, or raises for the first where these are not accepted.
Runner = Callable[[Sequence[VideoJob], PrepareSettings, RunnerOptions], Failures]


class Preparation:
    """What `prepare_tree` does while it holds the lock."""

    def __init__(
        self,
        tree: DataTree,
        settings: PrepareSettings,
        out: Path,
        workers: int,
        progress: bool,
        keep_going: bool,
        runner: Runner,
    ) -> None:
        self._tree, self._settings, self._out = tree, settings, out
        self._options = RunnerOptions(max(1, workers), progress, keep_going)
        self._runner = runner
        self._parts = out.with_name(out.name + ".parts")
        self._described = settings.to_dict()
        self._failures: Failures = {}

    def run(self) -> None:
        annotations = self._read_labels()
        space = label_space(a for found in annotations.values() for a in found.values())
        jobs = [
            TrackJob(
                track, annotations[track.name], len(space.action_units), self._track_part(track)
            )
            for track in self._tree.tracks
            if track.video not in self._failures
        ]
        stems = {job.track.video: self._video_part(job.track.video) for job in jobs}
        videos = video_jobs(jobs, stems, self._settings)
        self._check_space(videos)
        self._parts.mkdir(parents=True, exist_ok=True)
        self._failures |= self._runner(videos, self._settings, self._options)
        done = [job for job in jobs if job.track.video not in self._failures]
        if not done:
            raise DatasetError(
                f"{self._tree.root}: none of its videos could be prepared. The first problem: "
                f"{next(iter(self._failures.values()))}"
            )
        copies = {
            job.video.stem: job.video_copy
            for job in videos
            if job.video_copy is not None and job.video not in self._failures
        }
        with atomic_directory(self._out) as folder:
            write_prepared(folder, done, self._settings.shard_frames, self._describe(space), copies)
        shutil.rmtree(self._parts)

    def _read_labels(self) -> dict[str, dict[str, Annotation]]:
        found = {}
        for track in self._tree.tracks:
            try:
                found[track.name] = track.labels()
            except AnnotationError as error:
                if not self._options.keep_going:
                    raise
                self._failures.setdefault(track.video, error)
        return found

    def _track_part(self, track: Track) -> Path:
        """Stem of the files of a track; the others of its video decide who it is about."""
        together = [t for t in self._tree.tracks if t.video == track.video]
        files: list[Path] = [track.video, *track.annotations.values()]
        files += [t.boxes for t in together if t.boxes]
        names = sorted(t.name for t in together)
        digests = sorted(self._tree.digests[path] for path in files)
        return self._parts / stable_hash([track.name, names, digests, self._described])

    def _video_part(self, video: Path) -> Path:
        """Stem of the files of a video as a whole: its faces, its copy."""
        settings = [self._described[name] for name in ("fps", "detector")]
        return self._parts / stable_hash([self._tree.digests[video], settings])

    def _describe(self, space: LabelSpace) -> dict[str, Any]:
        return {
            "kind": KIND,
            "schema_version": SCHEMA_VERSION,
            "settings": self._described,
            "label_space": {
                "name": space.name,
                "expressions": list(space.expressions),
                "action_units": list(space.action_units),
            },
            "data_hash": self._tree.hash(),
            "synthetic": self._tree.synthetic,
            "missing": list(self._tree.missing),
            "skipped": self._skipped(),
        }

    def _skipped(self) -> list[dict[str, Any]]:
        """Videos that were left out, and why; no path of this machine in it."""
        here = f"{self._tree.root}/"
        return [
            {
                "video": video.name,
                "tracks": [t.name for t in self._tree.tracks if t.video == video],
                "reason": str(error).replace(here, ""),
            }
            for video, error in sorted(self._failures.items())
        ]

    def _check_space(self, videos: Sequence[VideoJob]) -> None:
        pixels = self._settings.rule.image_size**2
        record = pixels * _BYTES_PER_PIXEL[self._settings.encoding] + 600
        frames = sum(job.lines * len(job.tracks) for job in videos)
        needed = int(2 * frames * record)  # parts and shards are there at the same time
        self._out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._out.parent).free
        if free < 1.1 * needed:
            raise DatasetError(
                f"{self._out}: not enough free space to prepare {frames} frames. Expected about "
                f"{needed // 2**20} MiB free. Received: {free // 2**20} MiB"
            )


class _Stopped(Exception):
    """Another thread failed or the user interrupted."""


def run_in_threads(
    videos: Sequence[VideoJob], settings: PrepareSettings, options: RunnerOptions
) -> Failures:
    """The parts that are not there yet, several videos at a time, on this machine."""
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
