"""`kaffect serve --sha256`: only the export that was meant is loaded, whoever made another."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kaffect.cli import main
from kaffect.errors import ArtifactError
from kaffect.files import write_manifest
from kaffect.serving.loading import export_hash, load_export, verify_export
from kaffect.serving.server import folders


@pytest.fixture
def model(frame_export: Path, tmp_path: Path) -> Path:
    """A model's folder with one version that a test may change."""
    shutil.copytree(frame_export, tmp_path / "frames" / "3")
    return tmp_path / "frames"


def rewritten(folder: Path, **changes: Any) -> None:
    """A manifest that matches its files and itself, but says something else."""
    manifest = json.loads((folder / "manifest.json").read_text())
    kept = {k: v for k, v in manifest.items() if k not in ("files", "seal", "sealed")}
    write_manifest(folder, {k: v for k, v in {**kept, **changes}.items() if v is not None})


def test_only_the_export_that_was_asked_for(model: Path, capsys: pytest.CaptureFixture) -> None:
    digest = hashlib.sha256((model / "3" / "manifest.json").read_bytes()).hexdigest()
    assert export_hash(model) == digest
    (served,) = folders.load("frames", model, sha256=["0" * 64, digest.upper()])
    assert served.version == 3
    rewritten(model / "3", name="other")
    verify_export(model)  # sound in itself
    with pytest.raises(ArtifactError, match=f"Expected SHA-256 {digest}. Received: [0-9a-f]+$"):
        folders.load("frames", model, sha256=[digest])
    assert main(["serve", "--model", f"m={model}", "--sha256", digest]) == 2
    assert "another export than the one that was asked for" in capsys.readouterr().err


def test_the_command_prints_it(model: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["export", "--check", str(model)]) == 0
    assert f"--sha256: {export_hash(model)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"signatures": None}, "'signatures'"),
        ({"version": "3"}, "'version'"),
        ({"picture_shape": None}, "'picture_shape'"),
        ({"kind": "program"}, "kind of network"),
        ({"facts": {"title": "?"}}, "not the description of a model"),
        ({"schema": 7}, "export of another version"),
        ({"artifact": "other"}, "not an export of kaffect"),
    ],
)
def test_a_manifest_that_lacks_something(model: Path, changes: dict, match: str) -> None:
    rewritten(model / "3", **changes)
    with pytest.raises(ArtifactError, match=match):
        load_export(model)


@pytest.mark.parametrize(
    "files", ["[1]", '[{"name": 1}]', '[{"name": "%s", "bytes": 1, "sha256": ""}]' % ("x" * 4000)]
)
def test_entries_of_a_manifest_that_are_none(model: Path, files: str) -> None:
    path = model / "3" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "files": json.loads(files)}))
    with pytest.raises(ArtifactError, match="entry of 'files'"):
        load_export(model)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": 1e999}', "\udcff", '{"a": NaN}', "7"])
def test_texts_that_are_no_manifest(model: Path, text: str) -> None:
    (model / "3" / "manifest.json").write_text(text, errors="surrogateescape")
    with pytest.raises(ArtifactError, match="manifest.json"):
        load_export(model)
