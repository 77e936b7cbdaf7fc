"""The only module that writes files, but for lines at the end of one (`kaffect.appending`).

Serves every user: a run that is killed, or a disk that is full, leaves no
half-written file under a final name and destroys nothing that was there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from kaffect import seals
from kaffect.errors import ArtifactError, DatasetError

MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"
_MOST_JSON = 256 * 2**20
stable_hash = seals.stable_hash


def home() -> Path:
    """The folder of caches: `$KAFFECT_HOME`, by default `~/.cache/kaffect`."""
    return Path(os.environ.get("KAFFECT_HOME") or Path.home() / ".cache" / "kaffect")


def fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; rename it into place when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f"{_UNFINISHED}{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
        with os.fdopen(descriptor, mode, **text) as handle:  # type: ignore[call-overload]
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        fsync_directory(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: str | Path, text: str) -> None:
    with atomic_write(path) as handle:
        handle.write(text)


def write_bytes(path: str | Path, data: bytes) -> None:
    with atomic_write(path, "wb") as handle:
        handle.write(data)


def write_json(path: str | Path, value: Any, *, sealed: bool = False) -> None:
    """Write JSON with sorted keys, so that the same value gives the same bytes; NaN is refused.

    Args:
        sealed: with a hash of the value (a dictionary), which `read_json` checks.
    """
    value = seals.sealed(value) if sealed else value
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON strictly: `NaN` and infinite numbers are errors.

    What was written with `sealed` is compared with its hash and given without it.

    Raises:
        ArtifactError: the file is missing, too large, not JSON, or not as it was written.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not accepted in JSON here")

    def finite(number: str) -> float:
        if not math.isfinite(float(number)):
            refuse(number)
        return float(number)

    try:
        if Path(path).stat().st_size > _MOST_JSON:
            raise ValueError(f"more than {_MOST_JSON} bytes")
        text = Path(path).read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=refuse, parse_float=finite)
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: cannot be read as JSON: {error}") from error
    return seals.unsealed(path, value)


@contextlib.contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it into place when the block ends well.

    An existing folder at `path` is replaced only after the new one is complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{path.name}-", dir=path.parent))
    try:
        yield temporary
        _sync_tree(temporary)
        os.chmod(temporary, 0o755)
        if path.exists():
            retired = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}old-", dir=path.parent))
            os.replace(path, retired / path.name)
            os.replace(temporary, path)
            shutil.rmtree(retired)
        else:
            os.replace(temporary, path)
        fsync_directory(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root):
        for name in names:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        fsync_directory(Path(folder))


def remove_unfinished(folder: str | Path) -> None:
    """Delete what a killed writer left in `folder` (call it while holding the writer lock)."""
    for leftover in Path(folder).glob(f"{_UNFINISHED}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def writer_lock(path: str | Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold `path`.lock for the block, so that two runs never write into one folder.

    Args:
        wait: wait for another process that holds it, instead of raising.

    Raises:
        DatasetError: another process holds it; the message names that process.
    """
    lock = Path(f"{path}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            if not wait:
                raise DatasetError(
                    f"{path}: {what} is being written by process {holder}; wait for it or stop it"
                ) from error
            print(f"waiting for process {holder}, which makes {what}", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}")
        handle.flush()
        yield


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_entries(root: Path) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of every file below `root` but its manifest, sorted by name."""
    paths = sorted(p for p in root.rglob("*") if p.is_file() and p != root / MANIFEST)
    return [
        {"name": p.relative_to(root).as_posix(), "bytes": p.stat().st_size, "sha256": sha256(p)}
        for p in paths
    ]


def write_manifest(root: str | Path, description: dict[str, Any]) -> None:
    """Write `manifest.json`: `description`, sealed, plus name, size and SHA-256 of every file."""
    root = Path(root)
    if "seal" not in description:
        description = seals.sealed(description)
    write_json(root / MANIFEST, {**description, "files": file_entries(root)})


def verify_manifest(root: str | Path) -> dict[str, Any]:
    """Read `manifest.json` of `root` and check each file that it lists; give the manifest.

    Raises:
        ArtifactError: the manifest or a file is missing, changed, or not listed.
    """
    root = Path(root)
    manifest = read_json(root / MANIFEST)
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), list):
        raise ArtifactError(f"{root / MANIFEST}: not a manifest: it has no list 'files'")
    seals.require_fit(root / MANIFEST, manifest)
    listed = set()
    for entry in manifest["files"]:
        path = _listed(root, entry)
        listed.add(path)
        if not path.is_file():
            raise ArtifactError(f"{path}: missing, although {root / MANIFEST} lists it")
        size = path.stat().st_size
        if size != entry["bytes"]:
            raise ArtifactError(
                f"{path}: damaged. Expected {entry['bytes']} bytes. Received: {size}"
            )
        digest = sha256(path)
        if digest != entry["sha256"]:
            raise ArtifactError(
                f"{path}: damaged. Expected SHA-256 {entry['sha256']}. Received: {digest}"
            )
    for path in root.rglob("*"):
        if path.is_symlink() and path.is_dir():
            raise ArtifactError(f"{path}: links to a folder; such a link is not accepted there")
        if path.is_file() and path.resolve() not in listed and path != root / MANIFEST:
            raise ArtifactError(
                f"{path}: not listed in {root / MANIFEST}; a foreign file is not accepted there"
            )
    return manifest


@contextlib.contextmanager
def private_copy(root: str | Path, names: Iterable[str]) -> Iterator[Path]:
    """A copy of the manifest and files of `root` that only this user can change, for the block.

    Raises:
        ArtifactError: a file cannot be read, or there is no room for the copy.
    """
    root = Path(root)
    with tempfile.TemporaryDirectory(prefix="kaffect-", ignore_cleanup_errors=True) as folder:
        try:
            for name in (MANIFEST, *names):
                target = safe_join(folder, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, target)
        except OSError as error:
            raise ArtifactError(f"{root}: cannot be copied to {folder}: {error}") from error
        yield Path(folder)


def _listed(root: Path, entry: Any) -> Path:
    """The file that an entry of a manifest means."""
    kinds = {k: type(v) for k, v in entry.items()} if isinstance(entry, dict) else None
    if kinds != {"name": str, "bytes": int, "sha256": str}:
        raise ArtifactError(f"{root / MANIFEST}: damaged: an entry of 'files' is not one")
    try:
        path = safe_join(root, entry["name"])
        path.is_file()  # refused by the file system where the name is too long
        return path
    except (DatasetError, OSError) as error:
        raise ArtifactError(f"{root / MANIFEST}: an entry of 'files': {error}") from error


def safe_join(root: str | Path, *parts: str) -> Path:
    """Join below `root`, after links are followed.

    Raises:
        DatasetError: the result would lie outside `root`, or a name holds a NUL byte.
    """
    base = Path(root).resolve()
    try:
        path = base.joinpath(*parts).resolve()
    except ValueError as error:
        raise DatasetError(f"{'/'.join(parts)!r} is not a file name: {error}") from error
    if not path.is_relative_to(base):
        raise DatasetError(
            f"{'/'.join(parts)!r} leaves the folder {root}; names must stay inside it"
        )
    return path
