"""Refuses prepared data that are damaged, before the first training step (paper Section III).

TFRecord's own checksums do not see a missing tail, a swapped file or a lost shard:
every file is compared with the manifest, and the manifest with its own hash.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from kaffect.data.prepared.shards import FOOTER_BYTES, HEADER_BYTES, KIND, SCHEMA_VERSION
from kaffect.errors import DatasetError, expected_received
from kaffect.files import MANIFEST, safe_join, sha256
from kaffect.seals import seal

AGAIN = "Delete the folder and prepare the data again"


def check_manifest(root: Path, manifest: Any) -> None:
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


def check_shards(root: Path, manifest: dict[str, Any], contents: bool) -> None:
    """Refuse a shard that is missing or of another size (`contents`: or of another SHA-256).

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
    size = path.stat().st_size
    count = position = 0
    with open(path, "rb") as handle:
        while position + HEADER_BYTES <= size:
            handle.seek(position)
            (length,) = struct.unpack("<Q", handle.read(8))
            position += HEADER_BYTES + length + FOOTER_BYTES
            if position > size:
                break
            count += 1
    return count
