"""Only unchanged exports of this software are loaded, and none that could do more than compute."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.errors import ArtifactError, ConfigError
from kaffect.files import write_manifest
from kaffect.serving import loading
from kaffect.serving.golden import read_golden, write_golden
from kaffect.serving.loading import Export, check_export, load_export, version_folder
from kaffect.serving.scan import scan


@pytest.fixture
def copy(frame_export: Path, tmp_path: Path) -> Path:
    """A copy of an export that a test may damage."""
    return Path(shutil.copytree(frame_export, tmp_path / "copy" / "3"))


def description(folder: Path) -> dict:
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]
    return manifest


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.index", "assets.extra/golden.npz"]
)
def test_a_changed_file_is_named_with_both_hashes(copy: Path, name: str) -> None:
    path = copy / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArtifactError) as caught:
        load_export(copy)
    message = str(caught.value)
    assert name in message and "Expected SHA-256" in message and "Received" in message


def test_a_missing_or_foreign_file_is_refused(copy: Path) -> None:
    (copy / "variables" / "more").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="foreign"):
        load_export(copy)
    (copy / "variables" / "more").unlink()
    (copy / "MODEL_CARD.md").unlink()
    with pytest.raises(ArtifactError, match="missing"):
        load_export(copy)


def test_a_saved_model_of_others_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not an exported model"):
        load_export(tmp_path)
    tf.saved_model.save(tf.Module(), str(tmp_path / "m"))
    with pytest.raises(ArtifactError, match="not an exported model"):
        load_export(tmp_path / "m")
    write_manifest(tmp_path / "m", {"schema": 1})
    with pytest.raises(ArtifactError, match="not an export of kaffect"):
        load_export(tmp_path / "m")


class _Writer(tf.Module):
    """Computes, and writes a file whenever it is called."""

    def __init__(self, path: Path, how: str) -> None:
        super().__init__()
        self.path, self.how = str(path), how

    @tf.function(input_signature=[tf.TensorSpec([None, 32, 32, 3], tf.uint8)])
    def __call__(self, images):
        if self.how == "write":
            tf.io.write_file(self.path, "caught")
        if self.how == "read":
            return {"x": tf.strings.length(tf.io.read_file(self.path))}
        if self.how == "python":
            return {"x": tf.numpy_function(lambda x: x, [images], tf.uint8)}
        if self.how == "loop":
            tf.while_loop(lambda i: i < 1, self._body, [0])
        return {"x": tf.reduce_sum(tf.cast(images, tf.int32))}

    def _body(self, i):
        with tf.control_dependencies([tf.io.write_file(self.path, "caught")]):
            return (i + 1,)


@pytest.mark.parametrize("how", ["write", "read", "python", "loop"])
def test_a_graph_that_reaches_outside_is_refused(copy: Path, tmp_path: Path, how: str) -> None:
    canary = tmp_path / "canary"
    module = _Writer(canary, how)
    facts = description(copy)
    shutil.rmtree(copy)
    tf.saved_model.save(module, str(copy), signatures=module.__call__)
    write_manifest(copy, facts)  # as one who knows how a manifest is made would
    with pytest.raises(ArtifactError, match="refused: its graph contains the operation"):
        load_export(copy)
    assert not canary.exists()


def test_what_is_loaded_is_what_was_checked(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write to the folder puts another graph there right after the check."""
    canary = tmp_path / "canary"
    module = _Writer(canary, "write")
    tf.saved_model.save(module, str(tmp_path / "hostile"), signatures=module.__call__)
    graph = (copy / "saved_model.pb").read_bytes()

    def scan_and_swap(folder: Path) -> None:
        scan(folder)
        shutil.copyfile(tmp_path / "hostile" / "saved_model.pb", copy / "saved_model.pb")

    monkeypatch.setattr(loading, "scan", scan_and_swap)
    export = load_export(copy)
    assert export.graph == graph and loading.check_loaded(export)
    assert (copy / "saved_model.pb").read_bytes() != graph, "it was not swapped"
    assert not canary.exists()


def test_a_change_before_the_copy_is_found(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = loading.private_copy

    def changed_first(folder: Path, names: Any) -> Any:
        (folder / "saved_model.pb").write_bytes(b"x" * (folder / "saved_model.pb").stat().st_size)
        return inner(folder, names)

    monkeypatch.setattr(loading, "private_copy", changed_first)
    with pytest.raises(ArtifactError, match=f"^{copy}/saved_model.pb: damaged"):
        load_export(copy)


def test_a_graph_that_works_while_loading_is_refused(tmp_path: Path) -> None:
    module = tf.Module()
    initializer = tf.lookup.KeyValueTensorInitializer(["a"], [1])
    module.table = tf.lookup.StaticHashTable(initializer, 0)
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(
        ArtifactError, match="refused: its graph contains the operation '[A-Za-z]*Table"
    ):
        scan(tmp_path)


def test_a_broken_graph_file_is_no_traceback(copy: Path) -> None:
    (copy / "saved_model.pb").write_bytes(b"\xff" * 99)
    with pytest.raises(ArtifactError, match="cannot be read as a SavedModel"):
        scan(copy)


def test_wrong_golden_numbers_are_found(copy: Path) -> None:
    inputs, outputs = read_golden(copy)
    outputs["valence_arousal"][2, 1] += 1e-3
    write_golden(copy, inputs, outputs)
    write_manifest(copy, description(copy))
    with pytest.raises(ArtifactError, match="does not give its golden outputs"):
        check_export(copy)


def test_the_newest_version_is_taken(copy: Path) -> None:
    shutil.copytree(copy, copy.parent / "12")
    assert version_folder(copy.parent).name == "12"
    assert version_folder(copy) == copy


def test_wrong_calls_are_explained(sequence_export: Export) -> None:
    with pytest.raises(ConfigError, match="Signature"):
        sequence_export.run("predict", images=np.zeros((1, 1, 96, 96, 3), np.uint8))
    with pytest.raises(ConfigError, match="Inputs of serve_stream"):
        sequence_export.run("serve_stream", images=np.zeros((1, 96, 96, 3), np.uint8))
