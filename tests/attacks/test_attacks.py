"""Hostile files for every reader of other people's files: one typed error, nothing run or grown."""

from __future__ import annotations

import functools
import pickle
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from kaffect.archives import read_npz
from kaffect.errors import KaffectError
from kaffect.faces.video_faces import VideoFaces
from kaffect.models import load_affwildnet, load_vggface_weights, resnet18, vggface_features
from kaffect.models.torchvision_weights import load_torchvision_weights
from kaffect.serving.golden import read_golden
from kaffect.serving.loading import load_export
from kaffect.serving.stream_state import StreamState
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.runs import load_run
from tests.attacks.corpus import ATTACKS

# What a reader may take beside the file itself.
MOST_GROWTH = 64 * 2**20


def _in_place_of(name: str, read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """A reader of folders, with the attack under the name of one of its files."""

    def call(path: Path) -> Any:
        folder = path.with_name("folder")
        folder.mkdir(exist_ok=True)
        path.rename(folder / name)
        return read(folder)

    return call


def _restored(folder: Path) -> Any:
    checkpoints = CheckpointFolder(folder)
    return checkpoints.restore(checkpoints.last() or 0, {})


# What is read, under which suffix.
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "torchvision .npz": (".npz", lambda p: load_torchvision_weights(network("ResNet-18"), p)),
    "torchvision .safetensors": (
        ".safetensors", lambda p: load_torchvision_weights(network("ResNet-18"), p)
    ),
    "torchvision .pth": (".pth", lambda p: load_torchvision_weights(network("ResNet-18"), p)),
    "VGG-Face": (".h5", lambda p: load_vggface_weights(network("VGG-Face"), p)),
    "AffWildNet": (".ckpt", load_affwildnet),
    "stream": (".npz", StreamState.load),
    "faces": (".npz", VideoFaces.load),
    "arrays": (".npz", lambda p: read_npz(p, "arrays", 10**6, lambda headers: None)),
    "golden": (".npz", _in_place_of("golden.npz", read_golden)),
    "export": (".pb", _in_place_of("saved_model.pb", load_export)),
    "run": (".json", _in_place_of("run.json", load_run)),
    "checkpoint": (".json", _in_place_of("LAST.json", _restored)),
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Every attack, made once, and the canary that none of them may touch."""
    folder = tmp_path_factory.mktemp("attacks")
    canary = folder / "canary"
    for name, make in ATTACKS.items():
        make(folder / name, canary)
    assert not canary.exists()
    return folder, canary


@functools.cache
def network(name: str) -> keras.Model:
    """What weights of others go into."""
    return vggface_features(None) if name == "VGG-Face" else resnet18(32, width=0.0625)


@pytest.fixture
def opened() -> Any:
    """The names of all files that are opened meanwhile, as Python sees them."""
    names: list[str] = []
    state = {"on": True}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if state["on"] and event == "open" and isinstance(arguments[0], str):
            names.append(arguments[0])

    sys.addaudithook(hook)
    yield names
    state["on"] = False


@pytest.mark.parametrize("reader", READERS)
def test_an_attack_is_refused(
    reader: str,
    corpus: tuple[Path, Path],
    tmp_path: Path,
    opened: list[str],
    record_property: Any,
) -> None:
    folder, canary = corpus
    suffix, read = READERS[reader]
    network("VGG-Face"), network("ResNet-18")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in ATTACKS:
        path = tmp_path / name / f"weights{suffix}"
        path.parent.mkdir()
        path.write_bytes((folder / name).read_bytes())
        for secret in ("secret", "secret.h5"):
            (path.parent / secret).symlink_to(folder / secret)
        with pytest.raises(KaffectError) as caught:
            read(path)
        assert "\n" not in str(caught.value), name
        assert not canary.exists(), name
        record_property("refused", 1)
    assert not [name for name in opened if name.startswith(str(folder / "secret"))]
    # ru_maxrss is in KiB; the largest of the files themselves is below 1 MB.
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown <= MOST_GROWTH
    record_property("run or unpacked", 0)


def test_the_attacks_work_where_nothing_is_checked(
    corpus: tuple[Path, Path], tmp_path: Path
) -> None:
    """Or their refusal would prove nothing."""
    folder, canary = corpus

    def sprung() -> bool:
        there = canary.exists()
        canary.unlink(missing_ok=True)
        return there

    pickle.loads((folder / "pickled").read_bytes())
    assert sprung()
    np.load(folder / "object_array_alone", allow_pickle=True)
    assert sprung()
    for name, suffix in (("lambda_in_keras", ".keras"), ("lambda_in_hdf5", ".h5")):
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes((folder / name).read_bytes())
        model = keras.models.load_model(path, safe_mode=False, compile=False)
        model(np.zeros((1, 1), np.float32))
        assert sprung(), name
    for name in ("external_link", "external_storage", "virtual_storage"):
        with h5py.File(folder / name) as file:
            assert file["conv1_1/conv1_1/kernel:0"][0, 0, 0, :1].size == 1
    assert (folder / "zip_bomb").stat().st_size < 2**20
