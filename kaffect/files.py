"""The only module that writes files, but for lines at the end of one (`kaffect.appending`).

Serves every user: a run that is killed, or a disk that is full, leaves no
half-written file under a final name and destroys nothing that was there.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
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
from kaffect.errors import ArtifactError, DatasetError, StorageError

MANIFEST = "manifest.json"
_UNFINISHED = ".unfinished-"
_RETIRED = f"{_UNFINISHED}old-"
_MOST_JSON = 256 * 2**20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOREPLACE, _EXCHANGE = 1, 2  # flags of renameat2 (linux/fs.h)
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
def full_disk_named(path: Path, size: int | None = None) -> Iterator[None]:
    """Say what is wrong where the disk is full while `path` is written, or it may not grow.

    Args:
        size: bytes to write, where that is known.

    Raises:
        StorageError: in the place of the system's error; with needed and free space.
    """
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        number = _no_room(error)
        if number is None:
            raise
        needed = "more than is free" if size is None else f"{size} bytes"
        there = next(folder for folder in path.absolute().parents if folder.exists())
        free = shutil.disk_usage(there).free
        raise StorageError(
            f"{path}: cannot be written: {os.strerror(number)}. "
            f"Needed: {needed}. Free: {free} bytes"
        ) from error


def _no_room(error: Exception) -> int | None:
    """The number of the system's error where there was no room to write; else None."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _NO_ROOM else None
    # TensorFlow's and HDF5's writers have errors of their own, with the system's words in them.
    return next((number for number in _NO_ROOM if os.strerror(number) in str(error)), None)


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "w", size: int | None = None) -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; rename it into place when the block ends well.

    Args:
        size: bytes that will be written, where that is known, for messages.

    Raises:
        StorageError: the disk is full.
    """
    path = Path(path)
    with full_disk_named(path, size), contextlib.ExitStack() as open_files:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = _temporary_file(path)
        # Held until the file has its name: the temporary files of the living are not removed.
        open_files.callback(os.close, os.dup(descriptor))
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


def _prefix(path: Path) -> str:
    """Of temporary names for `path`; short enough for a file system where `path` is."""
    return f"{_UNFINISHED}{os.fsencode(path.name)[:100].decode('ascii', 'ignore')}-"


def _temporary_file(path: Path) -> tuple[int, Path]:
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_prefix(path), dir=path.parent)
        if _locked(descriptor) and Path(name).exists():
            return descriptor, Path(name)
        os.close(descriptor)  # another writer took it for a leftover


def _temporary_folder(parent: Path, prefix: str) -> tuple[int, Path]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            if _locked(descriptor) and folder.exists():
                return descriptor, folder
            os.close(descriptor)  # another writer took it for a leftover


def _locked(descriptor: int) -> bool:
    """Lock a file or folder that is being written; whether that could be done."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks: nothing is locked there, and nothing removed.
        return error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
    return True


def write_text(path: str | Path, text: str) -> None:
    with atomic_write(path, size=len(text.encode())) as handle:
        handle.write(text)


def write_bytes(path: str | Path, data: bytes) -> None:
    with atomic_write(path, "wb", size=len(data)) as handle:
        handle.write(data)


def write_arrays(path: str | Path, arrays: dict[str, Any]) -> None:
    """Replace `path` by an .npz file of the arrays, not compressed; read it without pickle."""
    import numpy as np

    with atomic_write(path, "wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)


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
def atomic_directory(path: str | Path, replace: bool = True) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it into place when the block ends well.

    An existing folder at `path` is replaced only after the new one is complete, in one step
    where the system can exchange two names. What a killed writer left beside it is removed.

    Args:
        replace: whether an existing folder is replaced; otherwise it is kept.

    Raises:
        StorageError: the disk is full.
        ArtifactError: there is a folder that is not replaced, also one that came meanwhile.
    """
    path = Path(path)
    with full_disk_named(path), contextlib.ExitStack() as open_files:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path.parent)
        descriptor, temporary = _temporary_folder(path.parent, _prefix(path))
        open_files.callback(os.close, descriptor)
        try:
            yield temporary
            _sync_tree(temporary)
            os.chmod(temporary, 0o755)
            _put_in_place(temporary, path, replace)
            fsync_directory(path.parent)
        finally:
            # What is not in place, or what was there before.
            shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(folder: Path, path: Path, replace: bool) -> None:
    if not replace:
        if path.exists() or not (_rename(folder, path, _NOREPLACE) or _renamed(folder, path)):
            raise ArtifactError(f"{path}: exists already; it is not replaced")
    elif not path.exists():
        os.replace(folder, path)
    elif not exchange(folder, path):
        # Killed between the two, the old folder is put back by `remove_unfinished`.
        descriptor, retired = _temporary_folder(path.parent, _RETIRED)
        try:
            os.replace(path, retired / path.name)
            os.replace(folder, path)
        except BaseException:
            if not path.exists() and (retired / path.name).exists():
                os.replace(retired / path.name, path)
            raise
        finally:
            shutil.rmtree(retired, ignore_errors=True)
            os.close(descriptor)


def exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two folders in one step; False where the system cannot."""
    return _rename(first, second, _EXCHANGE)


def _rename(first: Path, second: Path, flag: int) -> bool:
    """Linux's `renameat2`; False where there is none, or a name is taken that must be free."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    current = -100  # AT_FDCWD
    if rename(current, os.fsencode(first), current, os.fsencode(second), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EEXIST):
        return False
    raise OSError(number, os.strerror(number), str(second))


def _renamed(folder: Path, path: Path) -> bool:
    """Rename where nothing is yet; a folder with something in it is never replaced by this."""
    if path.exists():
        return False
    try:
        os.rename(folder, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


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
    """Delete what killed writers left in `folder`; nothing of writers that are at work.

    A folder that was being replaced is put back where the new one did not take its place.
    """
    for leftover in Path(folder).glob(f"{_UNFINISHED}*"):
        try:
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # gone, a link, or not ours
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if leftover.name.startswith(_RETIRED):
                _put_back(leftover)
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
        except OSError:  # being written, or a file system without locks
            continue
        finally:
            os.close(descriptor)


def _put_back(retired: Path) -> None:
    for old in retired.iterdir():
        place = retired.parent / old.name
        if not place.exists():
            os.replace(old, place)


@contextlib.contextmanager
def writer_lock(path: str | Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold `path`.lock for the block, so that two runs never write into one folder.

    Args:
        wait: wait for another process that holds it, instead of raising.

    Raises:
        DatasetError: another process holds it; the message names that process.
    """
    lock = Path(f"{path}.lock")
    with full_disk_named(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = open(lock, "a+b", buffering=0)
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().decode("ascii", "replace").strip() or "unknown"
            if not wait:
                raise DatasetError(
                    f"{path}: {what} is being written by process {holder}; wait for it or stop it"
                ) from error
            print(f"waiting for process {holder}, which makes {what}", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        with full_disk_named(lock):
            handle.seek(0)
            handle.truncate()
            handle.write(f"{os.getpid()}".encode())
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
                with full_disk_named(target, (root / name).stat().st_size):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(root / name, target)
        except StorageError:
            raise
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
