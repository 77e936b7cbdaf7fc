"""Files that attack whoever reads them, made on the spot; each would touch a canary at the most.

The exploits of SavedModels are in `tests.serving.hostile_exports`.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np

_BOMB = 300 * 2**20  # bytes that a small file claims to hold, or unpacks to


class _Trap:
    """Unpickled it touches a file."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._canary,)


def _npy(array: np.ndarray) -> bytes:
    handle = io.BytesIO()
    np.lib.format.write_array(handle, array, allow_pickle=True)
    return handle.getvalue()


def _npz(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name.replace('__', '/')}.npy", data)


def pickled(path: Path, canary: Path) -> None:
    """A pickle under another name."""
    path.write_bytes(pickle.dumps(_Trap(canary)))


def object_array(path: Path, canary: Path) -> None:
    """An array of objects in an archive: a pickle again."""
    _npz(path, conv1__weight=_npy(np.array([_Trap(canary)], object)))


def object_array_alone(path: Path, canary: Path) -> None:
    path.write_bytes(_npy(np.array([_Trap(canary)], object)))


def zip_bomb(path: Path, canary: Path) -> None:
    """A few hundred kilobytes that become 300 MB."""
    header = _npy(np.zeros(0, np.uint8)).replace(b"(0,)", f"({_BOMB},)".encode())
    _npz(path, conv1__weight=header + bytes(_BOMB))


def shape_bomb(path: Path, canary: Path) -> None:
    """A header that promises a terabyte."""
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }\n"
    _npz(path, conv1__weight=b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)


def code_in_a_header(path: Path, canary: Path) -> None:
    """Python in the place of a shape."""
    text = f"{{'descr': '<f4', 'shape': open({str(canary)!r}, 'w')}}\n".encode()
    _npz(path, conv1__weight=b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)


def path_in_an_archive(path: Path, canary: Path) -> None:
    """A member that would be unpacked elsewhere."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"../{canary.name}", b"caught")
        archive.writestr(str(canary), b"caught")


def encrypted(path: Path, canary: Path) -> None:
    _npz(path, conv1__weight=_npy(np.zeros(4, np.float32)))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(mark) + offset] |= 1
    path.write_bytes(bytes(data))


def long_header(path: Path, canary: Path) -> None:
    """A safetensors header of 2**60 bytes."""
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")


def _safetensors(path: Path, header: object, data: bytes = b"") -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def overlapping_tensors(path: Path, canary: Path) -> None:
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    _safetensors(path, {"conv1.weight": one, "bn1.bias": one}, bytes(8))


def tensor_beyond_the_end(path: Path, canary: Path) -> None:
    one = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}
    _safetensors(path, {"conv1.weight": one}, bytes(8))


def deep_header(path: Path, canary: Path) -> None:
    text = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    path.write_bytes(struct.pack("<Q", len(text)) + text)


def _cnn(path: Path, edit: Callable[[h5py.Group], None]) -> None:
    """A file as keras-vggface writes them, with something else in its first layer."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv1_1"]
        group = file.create_group("conv1_1")
        group.attrs["weight_names"] = [b"conv1_1/kernel:0", b"conv1_1/bias:0"]
        group["conv1_1/bias:0"] = np.zeros(64, np.float32)
        edit(group)


def external_link(path: Path, canary: Path) -> None:
    """A link to another file's contents."""
    with h5py.File(path.with_name("secret.h5"), "w") as secret:
        secret["kernel"] = np.ones((3, 3, 3, 64), np.float32)

    def edit(group: h5py.Group) -> None:
        group["conv1_1/kernel:0"] = h5py.ExternalLink(str(path.with_name("secret.h5")), "/kernel")

    _cnn(path, edit)


def external_storage(path: Path, canary: Path) -> None:
    """An array whose bytes are those of any file."""
    path.with_name("secret").write_bytes(bytes(range(256)) * 27)
    _cnn(
        path,
        lambda group: group.create_dataset(
            "conv1_1/kernel:0", (3, 3, 3, 64), np.float32,
            external=[(str(path.with_name("secret")), 0, 6912)],
        ),
    )  # fmt: skip


def virtual_storage(path: Path, canary: Path) -> None:
    with h5py.File(path.with_name("secret.h5"), "w") as secret:
        secret["kernel"] = np.ones((3, 3, 3, 64), np.float32)
    layout = h5py.VirtualLayout((3, 3, 3, 64), np.float32)
    layout[:] = h5py.VirtualSource(str(path.with_name("secret.h5")), "kernel", (3, 3, 3, 64))
    _cnn(path, lambda group: group.create_virtual_dataset("conv1_1/kernel:0", layout))


def _with_a_lambda(canary: Path) -> keras.Model:
    made = keras.Input((1,))
    function = eval(f"lambda x: [open({str(canary)!r}, 'w').close(), x][1]")
    return keras.Model(made, keras.layers.Lambda(function)(made))


def lambda_in_keras(path: Path, canary: Path) -> None:
    """A model whose layer is Python code, in Keras' own format."""
    whole = path.with_suffix(".keras")
    _with_a_lambda(canary).save(whole)
    whole.rename(path)
    canary.unlink(missing_ok=True)


def lambda_in_hdf5(path: Path, canary: Path) -> None:
    whole = path.with_name("lambda.h5")
    _with_a_lambda(canary).save(whole)
    whole.rename(path)
    canary.unlink(missing_ok=True)


def truncated(path: Path, canary: Path) -> None:
    _cnn(path, lambda group: group.create_dataset("conv1_1/kernel:0", (3, 3, 3, 64), np.float32))
    path.write_bytes(path.read_bytes()[:700])


Attack = Callable[[Path, Path], None]
ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (
        pickled, object_array, object_array_alone, zip_bomb, shape_bomb, code_in_a_header,
        path_in_an_archive, encrypted, long_header, overlapping_tensors, tensor_beyond_the_end,
        deep_header, external_link, external_storage, virtual_storage, lambda_in_keras,
        lambda_in_hdf5, truncated,
    )
}  # fmt: skip
