"""Data tree -> TFRecord shards with frame index and manifest (paper Section III, all of it).

One record for each 30-fps frame of each track. The folder is complete or absent, its
bytes depend on the tree and the settings only, and what an interrupted run has
decoded is used again.
"""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from kaffect.data.annotations import Annotation
from kaffect.data.examples import ENCODINGS
from kaffect.data.faces import CropRule
from kaffect.data.shards import KIND, SCHEMA_VERSION, write_prepared
from kaffect.data.track_frames import FrameSettings, TrackJob, prepare_video
from kaffect.data.tree import DataTree
from kaffect.errors import ArtifactError, ConfigError, DatasetError, expected_received
from kaffect.files import (
    MANIFEST,
    atomic_directory,
    home,
    read_json,
    stable_hash,
    writer_lock,
)
from kaffect.labels import ACTION_UNITS_8, EXPRESSIONS_7, LABEL_SPACES, LabelSpace

# Bytes of one 96x96 crop, generously; for the check of free space before work starts.
_BYTES_PER_PIXEL = {"jpeg": 0.7, "png": 2.8, "raw": 3.0}


@dataclass(frozen=True)
class PrepareSettings:
    """Everything besides the tree that decides the bytes of a prepared data set.

    Attributes:
        rule: how faces are cut out.
        fps: frames a second of the sequences (30, Section III-A).
        encoding: of the pictures: 'jpeg' (quality 95), 'png' or 'raw'.
        shard_frames: records in each shard but the last.
        length_tolerance: frames by which a video and its annotation may differ.
    """

    rule: CropRule = field(default_factory=CropRule)
    fps: int = 30
    encoding: str = "jpeg"
    shard_frames: int = 16384
    length_tolerance: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ConfigError(expected_received("Unknown image encoding", ENCODINGS, self.encoding))
        if self.fps < 1 or self.shard_frames < 1 or self.length_tolerance < 0:
            raise ConfigError("fps and shard_frames must be 1 or more, length_tolerance 0 or more")

    @property
    def frames(self) -> FrameSettings:
        return FrameSettings(self.rule, self.fps, self.encoding, self.length_tolerance)

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "crop_rule": self.rule.to_dict(),
            "fps": self.fps,
            "encoding": self.encoding,
            "shard_frames": self.shard_frames,
            "length_tolerance": self.length_tolerance,
        }


def prepare_tree(
    tree: DataTree | str | Path,
    out_dir: str | Path | None = None,
    *,
    image_size: int = 96,
    fps: int = 30,
    encoding: str = "jpeg",
    workers: int = 2,
    shard_frames: int = 16384,
    length_tolerance: int = 1,
    progress: bool | None = None,
) -> Path:
    """Prepare a data tree, or give the folder where that has been done already.

    Args:
        tree: the tree or its folder.
        out_dir: where to; by default a folder of `$KAFFECT_HOME/prepared` that is named
            by a hash of the tree's files and the settings.
        workers: videos that are decoded at a time (threads; OpenCV and the decoders
            release the interpreter lock).
        progress: True for a bar with ETA, False for silence, None for a bar on a terminal.

    Returns:
        The folder; open it with `kaffect.data.records.PreparedData.open`.

    Raises:
        AnnotationError, VideoError, DatasetError: bad input, in the order in which it is
            met; annotation text is read before any video.
    """
    if not isinstance(tree, DataTree):
        tree = DataTree.open(tree)
    rule = CropRule(image_size=image_size)
    settings = PrepareSettings(rule, fps, encoding, shard_frames, length_tolerance)
    out = Path(out_dir) if out_dir is not None else prepared_path(tree, settings)
    if _is_prepared(out, tree, settings):
        return out
    with writer_lock(out, "the prepared data set"):
        if _is_prepared(out, tree, settings):  # another run made it in the meantime
            return out
        _remove_unfinished(out)
        _Preparation(tree, settings, out, workers, progress).run()
    return out


def prepared_path(tree: DataTree, settings: PrepareSettings) -> Path:
    """Where the cache keeps `tree` prepared with `settings`."""
    return home() / "prepared" / stable_hash([tree.hash(), settings.to_dict()])


def _is_prepared(out: Path, tree: DataTree, settings: PrepareSettings) -> bool:
    if not out.exists():
        return False
    try:
        manifest = read_json(out / MANIFEST)
    except ArtifactError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        if out.is_dir() and not any(out.iterdir()):
            return False
        raise DatasetError(
            f"{out}: exists and is not a prepared data set; nothing was written. Expected a new "
            "folder, an empty one, or one that was prepared before"
        )
    return bool(
        manifest.get("settings") == settings.to_dict() and manifest.get("data_hash") == tree.hash()
    )


def _remove_unfinished(out: Path) -> None:
    """Delete what a killed run left of this very folder; the parts stay, they are used again."""
    for leftover in out.parent.glob(f".unfinished-{out.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


class _Stopped(Exception):
    """Another thread failed or the user interrupted."""


class _Preparation:
    """One run of `prepare_tree` that has something to do."""

    def __init__(
        self,
        tree: DataTree,
        settings: PrepareSettings,
        out: Path,
        workers: int,
        progress: bool | None,
    ) -> None:
        self._tree, self._settings, self._out = tree, settings, out
        self._workers = max(1, workers)
        self._disable = None if progress is None else not progress
        self._stop = threading.Event()
        self._parts = out.with_name(out.name + ".parts")

    def run(self) -> None:
        annotations = {track.name: track.labels() for track in self._tree.tracks}
        space = label_space(a for found in annotations.values() for a in found.values())
        jobs = [
            TrackJob(
                track,
                annotations[track.name],
                len(space.action_units),
                self._parts / stable_hash([self._digests(track.name), self._settings.to_dict()]),
            )
            for track in self._tree.tracks
        ]
        self._check_space(jobs)
        self._parts.mkdir(parents=True, exist_ok=True)
        self._decode(jobs)
        with atomic_directory(self._out) as folder:
            write_prepared(folder, jobs, self._settings.shard_frames, self._describe(space))
        shutil.rmtree(self._parts)

    def _digests(self, name: str) -> list[Any]:
        track = next(t for t in self._tree.tracks if t.name == name)
        files = [track.video, *track.annotations.values()] + ([track.boxes] if track.boxes else [])
        return [name, sorted(self._tree.digests[path] for path in files)]

    def _describe(self, space: LabelSpace) -> dict[str, Any]:
        return {
            "kind": KIND,
            "schema_version": SCHEMA_VERSION,
            "settings": self._settings.to_dict(),
            "label_space": {
                "name": space.name,
                "expressions": list(space.expressions),
                "action_units": list(space.action_units),
            },
            "data_hash": self._tree.hash(),
            "synthetic": self._tree.synthetic,
            "missing": list(self._tree.missing),
        }

    def _check_space(self, jobs: list[TrackJob]) -> None:
        pixels = self._settings.rule.image_size**2
        record = pixels * _BYTES_PER_PIXEL[self._settings.encoding] + 600
        frames = sum(_lines(job) for job in jobs)
        needed = int(2 * frames * record)  # parts and shards are there at the same time
        self._out.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._out.parent).free
        if free < 1.1 * needed:
            raise DatasetError(
                f"{self._out}: not enough free space to prepare {frames} frames. Expected about "
                f"{needed // 2**20} MiB free. Received: {free // 2**20} MiB"
            )

    def _decode(self, jobs: list[TrackJob]) -> None:
        """Write the parts that are not there yet, several videos at a time."""
        videos: dict[Path, list[TrackJob]] = defaultdict(list)
        for job in jobs:
            if not job.columns.is_file():
                videos[job.track.video].append(job)
        # Long videos first, so that no thread waits for the last one.
        order = sorted(videos.values(), key=lambda group: -_lines(group[0]))
        cv2_threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        bar = tqdm(
            total=sum(_lines(group[0]) for group in order),
            desc="preparing frames",
            unit="frame",
            disable=self._disable if order else True,
        )
        try:
            with bar, ThreadPoolExecutor(self._workers) as pool:
                self._run(pool, order, bar.update)
        finally:
            cv2.setNumThreads(cv2_threads)

    def _run(
        self, pool: ThreadPoolExecutor, order: list[list[TrackJob]], update: Callable[[int], Any]
    ) -> None:
        def report(frames: int) -> None:
            if self._stop.is_set():
                raise _Stopped
            update(frames)

        frames = self._settings.frames
        futures = [pool.submit(prepare_video, group, frames, report) for group in order]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            self._stop.set()
            for future in futures:
                future.cancel()
        wait(futures)
        errors = [f.exception() for f in futures if not f.cancelled() and f.exception()]
        for error in sorted(errors, key=lambda e: isinstance(e, _Stopped)):
            raise error  # type: ignore[misc]


def _lines(job: TrackJob) -> int:
    return max(len(annotation) for annotation in job.annotations.values())


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
