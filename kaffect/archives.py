"""`.npz` files, read without trust: bounded, and checked by name, shape and type first.

A few hundred KiB of an archive can expand to gigabytes, and what NumPy raises for a damaged
one has no common type. Serves every reader of arrays that somebody else may have written.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from kaffect.errors import ArtifactError

# Name of an array -> its shape and type.
Headers = Mapping[str, tuple[tuple[int, ...], np.dtype]]
_MOST_ARRAYS = 10_000
_ENCRYPTED = 0x1
_ERRORS = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SyntaxError, MemoryError,
    OverflowError, struct.error, tokenize.TokenError, zlib.error, zipfile.BadZipFile,
)  # fmt: skip


def read_npz(
    path: str | Path, what: str, most_bytes: int, check: Callable[[Headers], None]
) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file.

    Args:
        what: the file should be, for messages: "the state of a stream".
        most_bytes: that all arrays may take together.
        check: raises `ValueError` for names, shapes or types that are not accepted; called
            before any array is read.

    Raises:
        ArtifactError: missing, damaged, encrypted, too large, or not as `check` wants it.
    """
    try:
        with open(path, "rb") as handle, zipfile.ZipFile(handle) as archive:
            members = _members(archive, most_bytes)
            headers = {name: _header(archive, info) for name, info in members.items()}
            check(headers)
            arrays = {}
            for name, info in members.items():
                with archive.open(info) as file:
                    arrays[name] = npy.read_array(file, allow_pickle=False)
                    if file.read(1):
                        raise ValueError(f"{name!r} goes on behind its array")
            return arrays
    except _ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArtifactError(f"{path}: cannot be read as {what}: {reason}") from error


def _members(archive: zipfile.ZipFile, most_bytes: int) -> dict[str, zipfile.ZipInfo]:
    found = {}
    infos = archive.infolist()
    if len(infos) > _MOST_ARRAYS:
        raise ValueError(f"{len(infos)} arrays, at most {_MOST_ARRAYS}")
    # What zipfile gives of a member is bounded by the size that is declared here.
    size = sum(info.file_size for info in infos)
    if size > most_bytes:
        raise ValueError(f"its arrays take {size} bytes, at most {most_bytes}")
    for info in infos:
        if info.flag_bits & _ENCRYPTED:
            raise ValueError(f"{info.filename!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{info.filename!r} is compressed in another way than .npz files")
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in found:
            raise ValueError(f"{info.filename!r} is no array, or there are two of it")
        found[name] = info
    return found


def _header(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(info) as file:
        shape, dtype = _read_header(file)
        if dtype.hasobject or dtype.names is not None:
            raise ValueError(f"{info.filename!r} holds objects, not numbers")
        if math.prod(shape) * dtype.itemsize != info.file_size - file.tell():
            raise ValueError(f"{info.filename!r} is not as large as its shape says")
    return shape, dtype


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(file)
    else:
        raise ValueError(f"an array of the format {version}")
    if any(size < 0 for size in shape):
        raise ValueError("an array with a negative size")
    return shape, dtype


def require_kinds(headers: Headers, kinds: str) -> None:
    """Raise `ValueError` for an array of another type than `kinds` ("f": floats, "u", "i", "b")."""
    for name, (_, dtype) in headers.items():
        if dtype.kind not in kinds:
            raise ValueError(f"{name!r} holds {dtype}, not numbers as expected")
