"""`.npz` files and weights of others: bounded and checked before they are read, one error."""

from __future__ import annotations

import io
import json
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kaffect.archives import Headers, read_npz
from kaffect.errors import ArtifactError
from kaffect.models import resnet18
from kaffect.models.torchvision_weights import load_torchvision_weights
from kaffect.serving.stream_state import StreamState

STATE = StreamState({"hidden_0": np.ones((1, 4), np.float32)}, 3, 1.5, "0123")


def anything(headers: Headers) -> None:
    """Every name, shape and type."""


def npy(array: np.ndarray) -> bytes:
    handle = io.BytesIO()
    np.lib.format.write_array(handle, array, allow_pickle=True)
    return handle.getvalue()


def saved_state(path: Path, **changes: np.ndarray | bytes) -> Path:
    """The file of a stream's state with members changed or added."""
    STATE.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, value in changes.items():
        data = value if isinstance(value, bytes) else npy(value)
        members[f"{name.replace('__', '/')}.npy"] = data
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def header_of(shape: str, dtype: str = "<f4") -> bytes:
    """An array file that says more than it holds."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


DAMAGED: dict[str, Callable[[Path], Path]] = {
    "schema inf": lambda p: saved_state(p, schema=np.array(np.inf)),
    "schema nan": lambda p: saved_state(p, schema=np.array(np.nan)),
    "schema text": lambda p: saved_state(p, schema=np.array("1")),
    "schema list": lambda p: saved_state(p, schema=np.array([1, 1])),
    "frames negative": lambda p: saved_state(p, since_reset=np.array(-1)),
    "time inf": lambda p: saved_state(p, time=np.array(np.inf)),
    "model object": lambda p: saved_state(p, model=np.array({"a": 1}, object)),
    "model long": lambda p: saved_state(p, model=np.array("x" * 9999)),
    "state text": lambda p: saved_state(p, state__x=np.array(["a"])),
    "state nan": lambda p: saved_state(p, state__x=np.full((1, 2), np.nan, np.float32)),
    "state double": lambda p: saved_state(p, state__x=np.zeros((1, 2))),
    "state huge": lambda p: saved_state(p, state__x=header_of("(1, 99999999999)")),
    "state negative": lambda p: saved_state(p, state__x=header_of("(1, -4)")),
    "header": lambda p: saved_state(p, state__x=header_of("(((((((")),
    "header call": lambda p: saved_state(p, state__x=header_of("__import__('os')")),
    "header deep": lambda p: saved_state(p, state__x=header_of("(" * 5000 + ")" * 5000)),
    "unknown name": lambda p: saved_state(p, other=np.zeros(1, np.float32)),
    "no array": lambda p: saved_state(p, state__x=b"text"),
    "more behind": lambda p: saved_state(p, state__x=npy(np.ones((1, 1), np.float32)) + b"x"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_state_that_is_none(tmp_path: Path, name: str) -> None:
    path = DAMAGED[name](tmp_path / "state.npz")
    with pytest.raises(ArtifactError, match="state.npz") as caught:
        StreamState.load(path)
    assert "\n" not in str(caught.value)


def test_a_good_state_comes_back(tmp_path: Path) -> None:
    found = StreamState.load(saved_state(tmp_path / "state.npz"))
    assert (found.since_reset, found.time, found.model) == (3, 1.5, "0123")
    np.testing.assert_array_equal(found.arrays["hidden_0"], STATE.arrays["hidden_0"])


@pytest.mark.parametrize(("place", "value"), [(6, 1), (8, 12), (8, 99)])
def test_encrypted_or_oddly_compressed(tmp_path: Path, place: int, value: int) -> None:
    """Flags and compression of the first member, in both of its headers."""
    path = saved_state(tmp_path / "state.npz")
    data = bytearray(path.read_bytes())
    data[place] = value
    data[data.index(b"PK\x01\x02") + place + 2] = value
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="encrypted|compressed"):
        StreamState.load(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("state/x.npy", "w") as member:
            member.write(header_of("(1, 100000000)"))
            for _ in range(400):
                member.write(bytes(10**6))
    assert path.stat().st_size < 10**6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ArtifactError, match="its arrays take 400000[0-9]+ bytes, at most 67108864"):
        StreamState.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_nothing_is_read_before_it_is_checked(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3), y=np.ones((2, 2), np.int16))
    seen: list[Headers] = []

    def check(headers: Headers) -> None:
        seen.append(headers)
        raise ValueError("not these")

    with pytest.raises(ArtifactError, match="a.npz: cannot be read as a test: not these"):
        read_npz(tmp_path / "a.npz", "a test", 10**6, check)
    assert seen == [{"x": ((3,), np.dtype(float)), "y": ((2, 2), np.dtype(np.int16))}]
    assert read_npz(tmp_path / "a.npz", "a test", 10**6, anything)["y"].tolist() == [[1, 1], [1, 1]]


def test_two_arrays_of_one_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", npy(np.zeros(1)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", npy(np.ones(1)))
    with pytest.raises(ArtifactError, match="two of it"):
        read_npz(tmp_path / "a.npz", "a test", 10**6, anything)


@pytest.mark.parametrize("kind", ["F8_E4M3", "F8_E5M2", "BF16", "F4", "NONE"])
def test_weights_of_types_that_numpy_lacks(tmp_path: Path, kind: str) -> None:
    size = 2 if kind == "BF16" else 1
    header = json.dumps({"fc.weight": {"dtype": kind, "shape": [1], "data_offsets": [0, size]}})
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(size))
    with pytest.raises(ArtifactError, match="w.safetensors"):
        load_torchvision_weights(resnet18(32, width=1 / 32), path)
