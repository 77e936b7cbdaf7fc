"""Prepared frames on disk: TFRecord shards, frame index and manifest (paper Section III).

manifest.json
<split>-00000-of-00002.tfrecord     one Example a frame, at most `shard_frames` in each
index/<split>/<column>.npy          a row for each frame: labels, place in the shards
scoring/<split>/<column>.npy        a row for each annotated frame of the source video
boxes/<track>.csv                   where a detector found the face (source frames, pixels)
videos/<name>.mp4                   the constant-rate videos, where they were asked for

Written here, and checked before the first training step: TFRecord's own checksums do not see
a missing tail, a swapped file or a lost shard, so every file is compared with the manifest,
and the manifest with its own hash.
"""

from __future__ import annotations

import io
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kaffect.data.prepared.settings import SCHEMA_VERSION
from kaffect.data.prepared.video_job import TrackJob
from kaffect.errors import ArtifactError, DatasetError, expected_received
from kaffect.faces.crops import boxes_text
from kaffect.files import (
    MANIFEST,
    read_json,
    safe_join,
    sha256,
    write_bytes,
    write_manifest,
    write_text,
)
from kaffect.labels import LABEL_COLUMNS, SPLITS, LabelSpace
from kaffect.seals import seal

KIND = "kaffect prepared frames"
# TFRecord framing: 8 bytes length, 4 bytes CRC of it, the data, 4 bytes CRC of the data.
HEADER_BYTES, FOOTER_BYTES = 12, 4
INDEX_COLUMNS = LABEL_COLUMNS + (
    "track", "frame", "time", "source_frame", "has_face", "shard", "offset", "length",
)  # fmt: skip
SCORING_COLUMNS = LABEL_COLUMNS + ("track", "row", "source_frame", "time")


AGAIN = "Delete the folder and prepare the data again"


def describe(
    settings: dict[str, Any],
    space: LabelSpace,
    data_hash: str,
    *,
    synthetic: bool,
    missing: Sequence[str],
) -> dict[str, Any]:
    """The part of a manifest that says what is prepared, and how.

    Args:
        settings: of `PrepareSettings.to_dict`.
        data_hash: names the contents of the source.
        missing: what the source does not have, in sentences.
    """
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "settings": settings,
        "label_space": space.to_dict(),
        "data_hash": data_hash,
        "synthetic": synthetic,
        "missing": list(missing),
    }


def read_description(out: Path) -> dict[str, Any] | None:
    """The manifest of what is prepared in `out`; None for a folder that is new or empty.

    Raises:
        DatasetError: something else is there, which must not be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    try:
        manifest = read_json(out / MANIFEST)
    except ArtifactError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise DatasetError(
            f"{out}: exists and is not a prepared data set; nothing was written. Expected a new "
            "folder, an empty one, or one that was prepared before"
        )
    return manifest


def shard_name(split: str, number: int, count: int) -> str:
    return f"{split}-{number:05d}-of-{count:05d}.tfrecord"


def write_prepared(
    folder: Path,
    jobs: Sequence[TrackJob],
    shard_frames: int,
    description: dict[str, Any],
    copies: Mapping[str, Path] | None = None,
) -> None:
    """Merge the parts of `jobs` into `folder`, split by split in the order of the jobs.

    Args:
        copies: name of a video -> its constant-rate MP4 file.
    """
    for name, source in (copies or {}).items():
        target = safe_join(folder, "videos", f"{name}.mp4")
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
    splits = {}
    fps = description["settings"]["fps"]
    for split in SPLITS:
        chosen = [job for job in jobs if job.track.split == split]
        if chosen:
            splits[split] = _write_split(folder, split, chosen, shard_frames, fps)
    write_manifest(folder, seal({**description, "splits": splits}))


def _write_split(
    folder: Path, split: str, jobs: Sequence[TrackJob], shard_frames: int, fps: int | None
) -> dict[str, Any]:
    columns = []
    for job in jobs:
        with np.load(job.columns, allow_pickle=False) as stored:
            columns.append({name: stored[name] for name in stored.files})
    counts = [len(c["length"]) for c in columns]
    total = sum(counts)
    lengths = np.concatenate([c["length"] for c in columns])
    shards = _write_shards(folder, split, jobs, lengths, shard_frames)
    rows = np.arange(total)
    first_rows = np.concatenate([[0], np.cumsum(counts)[:-1]])
    frames = rows - np.repeat(first_rows, counts)
    starts = np.cumsum(lengths + HEADER_BYTES + FOOTER_BYTES) - lengths - FOOTER_BYTES
    shard = rows // shard_frames
    index = {
        "track": np.repeat(np.arange(len(jobs)), counts).astype(np.int32),
        "frame": frames.astype(np.int32),
        "time": (frames / fps if fps else np.zeros(len(frames))).astype(np.float32),
        "shard": shard.astype(np.int32),
        # Offsets count within a shard, from its first byte.
        "offset": starts - starts[shard * shard_frames] + HEADER_BYTES,
    }
    for name in LABEL_COLUMNS + ("source_frame", "has_face", "length"):
        index[name] = np.concatenate([c[name] for c in columns])
    scored = [len(c["source_row"]) for c in columns]
    scoring = {
        "track": np.repeat(np.arange(len(jobs)), scored).astype(np.int32),
        "row": np.concatenate([c["source_row"] + f for c, f in zip(columns, first_rows)]),
        "source_frame": np.concatenate([c["source_number"] for c in columns]),
        "time": np.concatenate([c["source_seconds"] for c in columns]),
    }
    for name in LABEL_COLUMNS:
        scoring[name] = np.concatenate([c[f"source_{name}"] for c in columns])
    for job, found in zip(jobs, columns):
        if "found_frame" in found:
            boxes = zip(found["found_frame"].tolist(), found["found_box"].tolist())
            write_text(safe_join(folder, "boxes", f"{job.track.name}.csv"), boxes_text(boxes))
    _write_columns(folder / "index" / split, index, INDEX_COLUMNS)
    _write_columns(folder / "scoring" / split, scoring, SCORING_COLUMNS)
    return {
        "frames": total,
        "scored_frames": sum(scored),
        "shards": shards,
        "tracks": [_describe_track(job, c) for job, c in zip(jobs, columns)],
    }


def _describe_track(job: TrackJob, columns: dict[str, np.ndarray]) -> dict[str, Any]:
    track = job.track
    return {
        "name": track.name,
        "video": track.video.name,
        "subject": track.subject,
        "gender": track.gender,
        "tasks": list(track.tasks),
        "frames": len(columns["length"]),
        "faces": int(columns["has_face"].sum()),
        "source_frames": int(columns["source_frames"]),
        "coverage": round(float(columns["coverage"]), 4) if "coverage" in columns else None,
        "notes": columns["notes"].tolist() if "notes" in columns else [],
        "annotation_lines": {task: len(a) for task, a in sorted(job.annotations.items())},
    }


def _write_columns(folder: Path, columns: dict[str, np.ndarray], names: Sequence[str]) -> None:
    for name in names:
        buffer = io.BytesIO()
        np.save(buffer, columns[name], allow_pickle=False)
        write_bytes(folder / f"{name}.npy", buffer.getvalue())


def _records(jobs: Sequence[TrackJob], lengths: np.ndarray) -> Iterator[bytes]:
    remaining = iter(lengths.tolist())
    for job in jobs:
        with open(job.records, "rb") as handle:
            left = job.records.stat().st_size
            while left:
                record = handle.read(next(remaining))
                left -= len(record)
                yield record


def _write_shards(
    folder: Path, split: str, jobs: Sequence[TrackJob], lengths: np.ndarray, shard_frames: int
) -> list[dict[str, Any]]:
    # Not at the top: the readers of annotations and trees do without TensorFlow.
    import tensorflow as tf

    count = -(-len(lengths) // shard_frames)
    records = _records(jobs, lengths)
    shards = []
    for number in range(count):
        name = shard_name(split, number, count)
        size = min(shard_frames, len(lengths) - number * shard_frames)
        # Inside of an atomic folder, which is synced as a whole.
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for _ in range(size):
                writer.write(next(records))
        shards.append({"name": name, "records": size})
    return shards


def check_manifest(root: Path, manifest: Any) -> None:
    """Reject a manifest that is of another kind or version, or damaged.

    Raises:
        DatasetError: with what was expected and found.
    """
    path = root / MANIFEST
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise DatasetError(f"{path}: not the manifest of a prepared data set")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        version = manifest.get("schema_version")
        raise DatasetError(
            f"{path}: " + expected_received("Other schema version", SCHEMA_VERSION, version)
        )
    files = manifest.get("files")
    if seal(manifest)["seal"] != manifest.get("seal") or not isinstance(files, list):
        raise DatasetError(f"{path}: damaged: its contents do not fit its own hash. {AGAIN}")
    for entry in files:
        kinds = {k: type(v) for k, v in entry.items()} if isinstance(entry, dict) else None
        if kinds != {"name": str, "bytes": int, "sha256": str}:
            raise DatasetError(f"{path}: damaged: an entry of 'files' is not one. {AGAIN}")
    names = [Path(entry["name"]) for entry in files]
    # The hash of the data is of this list: it must be as it was written.
    if names != sorted(set(names)):
        raise DatasetError(f"{path}: damaged: 'files' is out of order or repeated. {AGAIN}")


def check_shards(root: Path, manifest: dict[str, Any], contents: bool) -> None:
    """Reject a shard that is missing or of another size (`contents`: or of another SHA-256).

    Raises:
        DatasetError: with the record counts that the manifest promises and the file still has.
    """
    files = {entry["name"]: entry for entry in manifest["files"]}
    for split in manifest["splits"].values():
        for shard in split["shards"]:
            _check_shard(root, shard, files.get(shard["name"]), contents)


def _check_shard(
    root: Path, shard: dict[str, Any], entry: dict[str, Any] | None, contents: bool
) -> None:
    path = safe_join(root, shard["name"])
    if entry is None:
        raise DatasetError(f"{path}: not listed in {root / MANIFEST}. {AGAIN}")
    if not path.is_file():
        raise DatasetError(
            f"{path}: missing. Expected {shard['records']} records. Found 0. {AGAIN}"
        )
    size = path.stat().st_size
    if size == entry["bytes"] and not (contents and sha256(path) != entry["sha256"]):
        return
    raise DatasetError(
        f"{path}: damaged. Expected {shard['records']} records in {entry['bytes']} bytes. Found "
        f"{count_records(path)} whole records in {size} bytes, with other contents. {AGAIN}"
    )


def count_records(path: Path) -> int:
    """How many whole records the framing of a TFRecord file shows, without checking contents."""
    return whole_records(path)[0]


def whole_records(path: Path) -> tuple[int, int]:
    """Number and bytes of the whole records at the start of a TFRecord file, by its framing."""
    size = path.stat().st_size
    count = position = 0
    with open(path, "rb") as handle:
        while position + HEADER_BYTES <= size:
            handle.seek(position)
            (length,) = struct.unpack("<Q", handle.read(8))
            after = position + HEADER_BYTES + length + FOOTER_BYTES
            if after > size:
                break
            count, position = count + 1, after
    return count, position
