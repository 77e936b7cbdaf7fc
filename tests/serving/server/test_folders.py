"""Real exports behind the server: hashes first, then the same numbers as the network's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from kaffect.errors import ArtifactError, ConfigError
from kaffect.serving.golden import read_golden
from kaffect.serving.loading import Export
from kaffect.serving.server import folders
from kaffect.serving.server.servable import Models
from tests.serving.server import served


def test_an_export_answers_its_golden_outputs(sequence_export: Export) -> None:
    inputs, outputs = read_golden(sequence_export.folder)
    models = Models(folders.load("narrow", sequence_export.folder.parent))
    limits = served.LIMITS.__class__()
    with served.running(models, limits) as server:
        url = f"http://127.0.0.1:{server.rest_port}/v1/models/narrow:predict"
        body = {"instances": inputs["images"].tolist()}
        rows = requests.post(url, json=body, timeout=60).json()["predictions"]
    for name in ("valence_arousal", "expression_probabilities"):
        np.testing.assert_allclose([row[name] for row in rows], outputs[name], atol=1e-5)


def test_every_signature_is_served(sequence_export: Export) -> None:
    (servable,) = folders.load("narrow", sequence_export.folder.parent)
    described = sequence_export.manifest["signatures"]
    assert set(servable.signatures) == set(described)
    for name, signature in servable.signatures.items():
        assert signature.joins_rows, f"{name}: requests are computed together along axis 0"
        for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs)):
            found = {n: list(spec.shape) for n, spec in specs.items()}
            assert found == {n: t["shape"] for n, t in described[name][side].items()}


@pytest.fixture()
def copy(frame_export: Path, tmp_path: Path) -> Path:
    """A model folder with one version that may be damaged."""
    root = tmp_path / "frames"
    shutil.copytree(frame_export, root / "3")
    return root


def test_versions(copy: Path) -> None:
    shutil.copytree(copy / "3", copy / "12")
    assert [s.version for s in folders.load("frames", copy)] == [3, 12]
    assert [s.version for s in folders.load("frames", copy, newest_only=True)] == [12]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip(folder / "saved_model.pb"),
        lambda folder: flip(next((folder / "variables").glob("*.data-*"))),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "more.txt").write_text("foreign"),
        lambda folder: (folder / "saved_model.pb").unlink(),
    ],
)
def test_a_folder_that_does_not_match_its_manifest_is_refused(copy: Path, damage: Any) -> None:
    damage(copy / "3")
    with pytest.raises(ArtifactError):
        folders.load("frames", copy)


def test_a_folder_without_versions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no version of a model"):
        folders.load("x", tmp_path)


def test_models_below_a_root(copy: Path) -> None:
    (copy.parent / "nothing").mkdir()
    (copy.parent / "models.config").write_text("")
    assert folders.models_below(copy.parent) == [("frames", copy)]
    with pytest.raises(ConfigError, match="no model in it"):
        folders.models_below(copy.parent / "nothing")
    with pytest.raises(ConfigError, match="no folder"):
        folders.models_below(copy.parent / "missing")


def test_names_on_the_command_line(tmp_path: Path) -> None:
    assert folders.parse_model(f"a={tmp_path}") == ("a", tmp_path)
    (tmp_path / "affect").mkdir()
    assert folders.parse_model(str(tmp_path / "affect")) == ("affect", tmp_path / "affect")
    for text in (f"a/b={tmp_path}", f"={tmp_path}", f"a={tmp_path}/missing"):
        with pytest.raises(ConfigError):
            folders.parse_model(text)
