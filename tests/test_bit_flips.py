"""A flipped bit in any file that is written: the same contents come back, or the typed error."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.config import CONFIGURATIONS
from kaffect.data.batches import features
from kaffect.data.batches.features import FeatureStore
from kaffect.errors import KaffectError
from kaffect.faces.crops import CropRule
from kaffect.files import read_json, write_json, write_manifest, write_text
from kaffect.labels import AFF_WILD
from kaffect.serving.card import CARD
from kaffect.serving.facts import Facts
from kaffect.serving.golden import GOLDEN, read_golden, write_golden
from kaffect.serving.loading import verify_export
from kaffect.serving.stream_state import StreamState
from kaffect.training.checkpoints import CheckpointFolder
from kaffect.training.runs import RunDescription

# A file and what reads it: contents that can be compared by their text.
Case = tuple[Path, Callable[[], Any]]


class Owner:
    """Variables as a model or optimiser has them."""

    def __init__(self) -> None:
        values = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
        self.variables = [_Variable("kernel", values), _Variable("bias", values[0])]


class _Variable:
    def __init__(self, path: str, value: np.ndarray) -> None:
        self.path, self.shape, self.dtype = path, value.shape, "float32"
        self.value = tf.Variable(value)


def _export(root: Path) -> Path:
    """An export without its graph: manifest, card and golden numbers."""
    facts = Facts("A network", metrics={"validation": {"ccc_valence": 0.25}})
    write_text(root / CARD, "# A network\n")
    write_golden(root, {"images": np.arange(12, dtype=np.uint8)}, {"x": np.linspace(0, 1, 9)})
    description = {
        "schema": 1, "artifact": "kaffect export", "name": "affect", "version": 1,
        "kind": "frames", "picture_shape": [32, 32, 3], "precision": "float32",
        "signatures": {"serving_default": {"inputs": {}, "outputs": {}}},
        "columns": {"action_unit_probabilities": list(AFF_WILD.action_units)},
        "facts": facts.to_dict(), "made_with": {"kaffect": "0"},
    }  # fmt: skip
    write_manifest(root, description)
    return root


def _read_export(root: Path) -> Any:
    manifest = verify_export(root)[1]
    return manifest, (root / CARD).read_bytes(), read_golden(root)


def export(file: str) -> Callable[[Path], Case]:
    def make(root: Path) -> Case:
        folder = _export(root)
        return folder / file, lambda: _read_export(folder)

    return make


def checkpoint(file: str) -> Callable[[Path], Case]:
    """LAST.json, and the files of a step's folder: a network's, an optimiser's, an encoder's."""

    def make(root: Path) -> Case:
        folder, owner = CheckpointFolder(root), Owner()
        folder.begin({"train": {"rate": 0.001, "steps": 40}}, resume=False)
        folder.save(4, {"encoder": owner}, {"history": [{"score": 0.5}], "best_step": 4}, best=True)

        def read() -> Any:
            other = Owner()
            for variable in other.variables:
                variable.value.assign(tf.zeros_like(variable.value))
            state = folder.restore(folder.last() or 0, {"encoder": other})
            values = [variable.value.numpy() for variable in other.variables]
            stated = read_json(root / "identity.json")
            return folder.last(), folder.best(), state, values, stated

        return next(root.rglob(file)), read

    return make


def run_description(kind: str) -> Callable[[Path], Case]:
    def make(root: Path) -> Case:
        RunDescription(
            kind, CONFIGURATIONS[kind](), AFF_WILD, CropRule(), 30, {"name": "drawn"},
            {"test": {"ccc": 0.5}}, {"AU1": -0.5}, ("note",),
        ).write(root)  # fmt: skip
        return root / "run.json", lambda: dataclasses.asdict(RunDescription.read(root))

    return make


def stream_state(root: Path) -> Case:
    arrays = {"hidden_0": np.linspace(0, 1, 8, dtype=np.float32)[np.newaxis]}
    StreamState(arrays, 3, 1.5, "0123456789abcdef").save(root / "state.npz")
    return root / "state.npz", lambda: dataclasses.asdict(StreamState.load(root / "state.npz"))


def cached_features(file: str) -> Callable[[Path], Case]:
    """A cache: where it is damaged it is computed again, to the same values."""

    def make(root: Path) -> Case:
        values = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
        index: Any = SimpleNamespace(
            data=SimpleNamespace(hash="0"), name="test", rows=np.arange(6), track=np.zeros(6)
        )
        store = FeatureStore(root)

        def read() -> Any:
            batch = {"row": tf.range(6), "images": None}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(features, "evaluation_frames", lambda *_, **__: [batch])
                return np.array(
                    store.get_or_compute(index, lambda _: values, "key", progress=False)
                )

        read()
        return next(root.rglob(file)), read

    return make


KINDS: dict[str, Callable[[Path], Case]] = {
    "export's manifest": export("manifest.json"),
    "card": export(CARD),
    "golden numbers": export(GOLDEN),
    "LAST.json": checkpoint("LAST.json"),
    "identity.json": checkpoint("identity.json"),
    "checkpoint's manifest": checkpoint("manifest.json"),
    "state.json": checkpoint("state.json"),
    "variables.json": checkpoint("variables.json"),
    "encoder, index": checkpoint("variables.index"),
    "encoder, weights": checkpoint("variables.data-*"),
    "recognition run": run_description("recognition"),
    "framewise run": run_description("framewise"),
    "GAN run": run_description("gan"),
    "stream state": stream_state,
    "features": cached_features("features.npy"),
    "features' manifest": cached_features("manifest.json"),
}


def flips(make: Callable[[Path], Case], root: Path, count: int) -> tuple[int, int]:
    """Flip single bits; give how many were refused and how many changed nothing."""
    root.mkdir()
    path, read = make(root)
    whole, expected = path.read_bytes(), repr(read())
    assert repr(read()) == expected
    rng = np.random.default_rng(len(whole))
    refused = 0
    for trial in range(count):
        place = int(rng.integers(len(whole) * 8))
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(data))
        try:
            found = repr(read())
        except KaffectError as error:
            refused += 1
            assert "\n" not in str(error)
        else:
            assert found == expected, f"trial {trial}: bit {place % 8} of byte {place // 8}"
        path.write_bytes(whole)
    return refused, count - refused


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits(kind: str, tmp_path: Path, record_property: Any) -> None:
    refused, equal = flips(KINDS[kind], tmp_path / "files", 25)
    record_property("refused", refused)
    record_property("the same contents", equal)
    record_property("other contents", 0)
    assert refused or kind.startswith("features")


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_five_hundred_flipped_bits(kind: str, tmp_path: Path, record_property: Any) -> None:
    refused, equal = flips(KINDS[kind], tmp_path / "files", 500)
    record_property("refused", refused)
    record_property("the same contents", equal)
    record_property("other contents", 0)


def test_files_without_a_hash_are_still_read(tmp_path: Path) -> None:
    """As earlier versions wrote them; but a hash that got lost is noticed."""
    path, read = run_description("recognition")(tmp_path)
    values = read_json(path)
    write_json(path, values)
    assert "seal" not in path.read_text() and read()["fps"] == 30
    write_json(path, {**values, "sealed": True})
    with pytest.raises(KaffectError, match="do not fit its own hash"):
        read()
