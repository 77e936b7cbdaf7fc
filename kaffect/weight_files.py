"""Files of published weights: told apart by their content, named by their hash (Section IV-B).

Serves `--weights`: what a file is called says nothing, so that a renamed or moved file is the
same one and an overwritten one is another. Importing this loads no TensorFlow.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kaffect.errors import ConfigError, expected_received
from kaffect.files import sha256

Format = Literal["hdf5", "tensorflow", "other"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
# The last bytes of a sorted table, in which TensorFlow keeps what a checkpoint holds.
_TABLE = bytes.fromhex("57fb808b247547db")
_PART = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
_STATE = "checkpoint"
_STATED = re.compile(rb'^model_checkpoint_path: "(?:[^"\n]*[/\\])?([^"\n/\\]+)"', re.MULTILINE)


@dataclass(frozen=True)
class WeightsFile:
    """Weights on disk.

    Attributes:
        path: the file, or the prefix of a TensorFlow checkpoint.
        format: of the content: 'hdf5' (keras-vggface), 'tensorflow' (a checkpoint, as AffWildNet's)
            or 'other' (torchvision's as .npz or .safetensors).
        files: that hold the weights, all of which the hash is of.
    """

    path: Path
    format: Format
    files: tuple[Path, ...]

    @property
    def sha256(self) -> str:
        """In hex: of the file; of several the hash of their hashes, in the order of their names."""
        digests = []
        for file in self.files:
            state = file.stat()
            digests.append(_digest(file.resolve(), state.st_mtime_ns, state.st_size))
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    @property
    def title(self) -> str:
        """For reports: the name and the beginning of the hash."""
        return f"{self.path.name}, SHA-256 {self.sha256[:12]}"


@functools.lru_cache(maxsize=16)
def _digest(path: Path, changed: int, size: int) -> str:
    return sha256(path)


def find_weights(path: str | Path) -> WeightsFile:
    """What `path` holds.

    Args:
        path: a file; of a TensorFlow checkpoint its prefix, one of its files or its folder.

    Raises:
        ConfigError: there is no such file, or a checkpoint is not complete.
    """
    given = Path(path)
    if given.is_file():
        if _begins(given, _HDF5):
            return WeightsFile(given, "hdf5", (given,))
        if _is_table(given) and not _PART.search(given.name):
            return WeightsFile(given, "tensorflow", (given,))  # TensorFlow's first format
    prefix = _prefix_in(given) if given.is_dir() else given.with_name(_PART.sub("", given.name))
    index = prefix.with_name(f"{prefix.name}.index")
    if index.is_file() and _is_table(index):
        return WeightsFile(prefix, "tensorflow", (index, *_data_of(prefix)))
    if given.is_file():
        return WeightsFile(given, "other", (given,))
    accepted = "a file, or the prefix of a TensorFlow checkpoint"
    raise ConfigError(f"--weights {given}: no such file. Expected {accepted}")


def content_of(path: str) -> str:
    """The SHA-256 of weights as "sha256:...", or `path` itself where there are none."""
    try:
        return f"sha256:{find_weights(path).sha256}"
    except ConfigError:
        return path


def _begins(path: Path, magic: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(magic)) == magic


def _is_table(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - len(_TABLE)))
        return file.read() == _TABLE


def _prefix_in(folder: Path) -> Path:
    """The one checkpoint of a folder, or the one that its state file names."""
    found = sorted(p.with_suffix("") for p in folder.glob("*.index") if _is_table(p))
    state = folder / _STATE
    if len(found) > 1 and state.is_file() and state.stat().st_size < 2**20:
        stated = _STATED.search(state.read_bytes())
        # The authors' own path stands there: only its last part is of this machine.
        named = folder / stated[1].decode(errors="replace") if stated else None
        found = [named] if named in found else found
    if len(found) != 1:
        received = ", ".join(path.name for path in found[:4]) or "none"
        raise ConfigError(
            expected_received(f"--weights {folder}", "a folder with one checkpoint", received)
        )
    return found[0]


def _data_of(prefix: Path) -> tuple[Path, ...]:
    found = sorted(prefix.parent.glob(f"{_escaped(prefix.name)}.data-*-of-*"))
    count = int(found[0].name.rpartition("-")[2]) if found else 1
    if len(found) != count:
        accepted = f"{count} files {prefix.name}.data-NNNNN-of-{count:05d}"
        raise ConfigError(
            expected_received(f"--weights {prefix}: incomplete checkpoint", accepted, len(found))
        )
    return tuple(found)


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
