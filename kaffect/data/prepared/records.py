"""Prepared frames, opened: checked first, then read by row number (paper Sections III and V).

A row is one 30-fps frame of one track. A damaged, cut, foreign or missing file is
rejected when the folder is opened, not in the middle of a training run.
"""

from __future__ import annotations

import os
import struct
import weakref
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.data.annotations.columns import LabelColumns
from kaffect.data.prepared.selection import kept_frames
from kaffect.data.prepared.shards import (
    AGAIN,
    HEADER_BYTES,
    INDEX_COLUMNS,
    SCORING_COLUMNS,
    check_manifest,
    check_shards,
)
from kaffect.errors import ArtifactError, DatasetError, expected_received
from kaffect.faces.crops import CropRule
from kaffect.files import MANIFEST, read_json, safe_join, stable_hash, verify_manifest
from kaffect.labels import SPLITS, TASKS, LabelSpace

PARTITIONS = (*TASKS, "all")


@dataclass(frozen=True, eq=False)
class Scoring(LabelColumns):
    """The annotated frames of the source videos, each once, and the row of their prediction.

    A frame counts here if it has a label of any task, with a face or without.

    Attributes, beside the labels:
        row: [m] int64, the row nearest in time.
        track: [m] int32; source_frame: [m] int32, 1-based; time: [m] float32, seconds.
    """

    row: np.ndarray
    track: np.ndarray
    source_frame: np.ndarray
    time: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, eq=False)
class FrameIndex(LabelColumns):
    """The frames of one split; arrays are memory maps over all rows of the split.

    Attributes, beside the labels of all n rows:
        rows: [k] int64, sorted: the rows that count here. All of them, or those of a
            partition; row numbers are the same in every partition of a split.
        tracks: name of each track; `track` indexes it.
        track, frame, source_frame: [n] int32; time: [n] float32, seconds.
        has_face: [n] bool; a frame without face has a grey picture.
        shard, length: [n] int32, offset: [n] int64: where its record lies.
        part: the task whose tracks count here (`for_partition`), or 'all'.
        scored_seed: None: every annotated frame is scored; else those that Section II-D keeps,
            chosen by this seed.
    """

    data: PreparedData
    name: str
    rows: np.ndarray
    tracks: tuple[str, ...]
    track: np.ndarray
    frame: np.ndarray
    time: np.ndarray
    source_frame: np.ndarray
    has_face: np.ndarray
    shard: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    part: str = "all"
    scored_seed: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def partition(self) -> dict[str, tuple[int, ...]]:
        """Task -> the tracks (numbers) that have annotation files of that task."""
        described = self.data.manifest["splits"][self.name]["tracks"]
        found = {
            task: tuple(i for i, track in enumerate(described) if task in track["tasks"])
            for task in TASKS
        }
        return {**found, "all": tuple(range(len(described)))}

    def for_partition(self, partition: str) -> FrameIndex:
        """Only the tracks that the task's annotation has (Section II-D), or 'all'."""
        if partition not in PARTITIONS:
            raise DatasetError(expected_received("Unknown partition", PARTITIONS, partition))
        wanted = np.isin(self.track, self.partition[partition])
        return replace(self, rows=self.rows[wanted[self.rows]], part=partition)

    def kept_rows(self, seed: int = 0) -> np.ndarray:
        """The rows that count here and that Section II-D keeps, sorted (`kept_frames`)."""
        here = np.zeros(len(self.track), bool)
        here[self.rows] = True
        usable = here & self.has_face
        kept = kept_frames(self, usable, self.track, self.frame, self.part, seed)
        return np.flatnonzero(kept).astype(np.int64)

    def scored_as_in_paper(self, seed: int = 0) -> FrameIndex:
        """The same rows, of which `scoring` gives only the frames that Section II-D keeps."""
        return replace(self, scored_seed=seed)

    def with_rows(self, rows: np.ndarray) -> FrameIndex:
        """Only some rows.

        Args:
            rows: [k] int64, ascending, of those that count here.

        Raises:
            DatasetError: other rows, or not ascending.
        """
        rows = np.asarray(rows, np.int64)
        if (np.diff(rows) <= 0).any() or not np.isin(rows, self.rows).all():
            raise DatasetError("rows must be sorted, without repeats, and rows of this split")
        return replace(self, rows=rows)

    def scoring(self) -> Scoring:
        """The annotated source frames whose row counts here; `scored_seed` may leave some out."""
        count = self.data.manifest["splits"][self.name]["scored_frames"]
        columns = {
            name: self.data.load_column("scoring", self.name, name, count)
            for name in SCORING_COLUMNS
        }
        if len(self.rows) != len(self.track):
            keep = np.isin(columns["row"], self.rows)
            columns = {name: values[keep] for name, values in columns.items()}
        scoring = Scoring(**columns)
        if self.scored_seed is None:
            return scoring
        usable, where = self.has_face[scoring.row], (scoring.track, scoring.source_frame)
        kept = kept_frames(scoring, usable, *where, self.part, self.scored_seed)
        return Scoring(**{name: values[kept] for name, values in columns.items()})

    @property
    def reader(self) -> RecordReader:
        """Reads the records of the split; one for all partitions."""
        readers = self.data._readers
        if self.name not in readers:
            readers[self.name] = RecordReader(self)
        return readers[self.name]

    @property
    def shards(self) -> tuple[Path, ...]:
        described = self.data.manifest["splits"][self.name]["shards"]
        return tuple(safe_join(self.data.root, shard["name"]) for shard in described)


@dataclass(frozen=True, eq=False)
class PreparedData:
    """A prepared data set.

    Attributes:
        manifest: what it is made of and how (see `kaffect.data.prepared.shards`).
        label_space, crop_rule, encoding: as prepared; fps: frames a second, None of single
            pictures.
        hash: names the contents; goes into results and into the keys of caches.
        missing: what the tree does not have, in sentences.
    """

    root: Path
    manifest: dict[str, Any]
    label_space: LabelSpace
    crop_rule: CropRule
    fps: int | None
    encoding: str
    hash: str
    missing: tuple[str, ...]
    _readers: dict[str, RecordReader] = field(default_factory=dict, repr=False)
    # Each map holds an open file, and a long table asks for its splits again and again.
    _columns: dict[Path, np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, root: str | Path, verify: bool = True) -> PreparedData:
        """Open a folder that `prepare_tree` made.

        Args:
            verify: check the SHA-256 of every file; otherwise names, sizes and counts only.

        Raises:
            DatasetError: not a prepared data set, another schema version, or a file that
                is missing, foreign, cut, changed or swapped, with record counts for shards.
        """
        root = Path(root)
        if not (root / MANIFEST).is_file():
            raise DatasetError(
                f"{root}: not a prepared data set: there is no {MANIFEST}. Expected a folder "
                "that was prepared from a data tree"
            )
        try:
            manifest = read_json(root / MANIFEST)
            check_manifest(root, manifest)
            check_shards(root, manifest, contents=False)
            if verify:
                _verify(root, manifest)
        except ArtifactError as error:
            raise DatasetError(f"{error}. {AGAIN}") from error
        settings = manifest["settings"]
        return cls(
            root=root,
            manifest=manifest,
            label_space=LabelSpace.from_dict(manifest["label_space"]),
            crop_rule=CropRule.from_dict(settings["crop_rule"]),
            fps=settings["fps"],
            encoding=settings["encoding"],
            hash=stable_hash([manifest["seal"], manifest["files"]]),
            missing=tuple(manifest["missing"]),
        )

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits of this data set, in the order train, validation, test."""
        return tuple(split for split in SPLITS if split in self.manifest["splits"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What preparation noticed about single videos and accepted, in sentences."""
        tracks = [t for split in self.splits for t in self.manifest["splits"][split]["tracks"]]
        found = (f"{track['video']}: {note}" for track in tracks for note in track.get("notes", ()))
        return tuple(dict.fromkeys(found))

    @property
    def detector(self) -> dict[str, Any] | None:
        """What found the faces, as `FaceDetector.describe` says it, and how they were followed.

        None where nothing had to be found: every track has a box file, or is face pictures, or
        the centre of the frame was taken.
        """
        found: dict[str, Any] | None = self.manifest["settings"].get("detector")
        return found

    @property
    def synthetic(self) -> bool:
        return bool(self.manifest["synthetic"])

    def split(self, name: str) -> FrameIndex:
        """The frames of 'train', 'validation' or 'test'.

        Raises:
            DatasetError: the data set has no such split, or a column does not fit.
        """
        if name not in self.splits:
            raise DatasetError(expected_received(f"{self.root}: no such split", self.splits, name))
        described = self.manifest["splits"][name]
        count = described["frames"]
        columns: dict[str, Any] = {
            c: self.load_column("index", name, c, count) for c in INDEX_COLUMNS
        }
        return FrameIndex(
            data=self,
            name=name,
            rows=np.arange(count, dtype=np.int64),
            tracks=tuple(track["name"] for track in described["tracks"]),
            **columns,
        )

    def scoring(self, split: str) -> Scoring:
        """All annotated source frames of a split."""
        return self.split(split).scoring()

    def load_column(self, kind: str, split: str, name: str, count: int) -> np.ndarray:
        """A memory map [count, ...] of one column.

        Raises:
            DatasetError: it cannot be read, or has another length.
        """
        path = safe_join(self.root, kind, split, f"{name}.npy")
        if path in self._columns:
            return self._columns[path]
        try:
            column = np.load(path, mmap_mode="r" if count else None, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path}: cannot be read: {error}. {AGAIN}") from error
        if len(column) != count:
            raise DatasetError(f"{path}: expected {count} rows, found {len(column)}. {AGAIN}")
        self._columns[path] = column
        return column


def _verify(root: Path, manifest: dict[str, Any]) -> None:
    try:
        verify_manifest(root)
    except ArtifactError:
        # Read again only after a failure, to report what is left of a shard.
        check_shards(root, manifest, contents=True)
        raise


class RecordReader:
    """Random access to the records of one split by row number; safe in many threads.

    Take it from `FrameIndex.reader`: all batches of a split share its open files.

    Raises (on reading):
        DatasetError: a record is not where the index says.
    """

    def __init__(self, index: FrameIndex) -> None:
        self._index = index
        self._descriptors = [os.open(path, os.O_RDONLY) for path in index.shards]
        weakref.finalize(self, _close, self._descriptors).atexit = False

    def read(self, rows: np.ndarray) -> list[bytes]:
        """The serialised Example of each row; `b""` for padding.

        Args:
            rows: [n] int64 row numbers of the split, -1 for padding.
        """
        index = self._index
        places = np.maximum(rows, 0)
        shards, offsets = index.shard[places].tolist(), index.offset[places].tolist()
        lengths = index.length[places].tolist()
        records = []
        for row, shard, offset, length in zip(rows.tolist(), shards, offsets, lengths):
            if row < 0:
                records.append(b"")
                continue
            data = os.pread(self._descriptors[shard], length + HEADER_BYTES, offset - HEADER_BYTES)
            if len(data) != length + HEADER_BYTES or data[:8] != struct.pack("<Q", length):
                raise DatasetError(
                    f"{index.shards[shard]}: row {row} is not at byte {offset}: the file was "
                    f"changed after it was opened. {AGAIN}"
                )
            records.append(data[HEADER_BYTES:])
        return records


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
