"""Checkpoints and exports of an earlier commit still load and give the same numbers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kaffect.archives import read_npz
from kaffect.errors import ArtifactError
from kaffect.files import write_manifest
from kaffect.serving.golden import golden_pictures
from kaffect.serving.loading import check_export, load_export
from kaffect.serving.stream_state import StreamState
from kaffect.training.runs import load_gan, load_run
from tests.golden_artefacts import KINDS, Arrays


@pytest.fixture
def unpacked(golden: Path, tmp_path: Path) -> Callable[[str], tuple[Path, Arrays]]:
    def unpack(kind: str) -> tuple[Path, Arrays]:
        with zipfile.ZipFile(golden / "artefacts" / f"{kind}.zip") as archive:
            archive.extractall(tmp_path / kind)
        expected = tmp_path / kind / "expected.npz"
        arrays = read_npz(expected, "what it answered", 10**6, lambda headers: None)
        expected.unlink()
        return tmp_path / kind, arrays

    return unpack


def same(found: dict, expected: Arrays) -> None:
    assert found.keys() >= expected.keys() and expected
    for name, values in expected.items():
        assert np.std(values) > 1e-3  # not of constants
        np.testing.assert_allclose(np.asarray(found[name]), values, atol=2e-5)


def test_every_kind_is_there(golden: Path) -> None:
    assert {path.stem for path in (golden / "artefacts").glob("*.zip")} == KINDS.keys()
    assert sum(path.stat().st_size for path in (golden / "artefacts").iterdir()) < 400_000


@pytest.mark.parametrize(
    ("kind", "signatures"),
    [
        (
            "sequence_export",
            {"serving_default", "serve_jpeg", "serve_stream", "serve_features", "encode"},
        ),
        ("generator_export", {"serving_default", "serve_png"}),
    ],
)
def test_exports(unpacked: Callable, kind: str, signatures: set[str]) -> None:
    root, _ = unpacked(kind)
    (folder,) = root.glob("*/1")
    assert "seal" not in (folder / "manifest.json").read_text()  # of before there were hashes
    assert check_export(folder).keys() == signatures


def test_a_recognition_run_with_its_encoder(unpacked: Callable) -> None:
    root, expected = unpacked("recognition_run")
    run = load_run(root / "checkpoints" / "row-01-seed-0")
    assert run.step == 3 and run.description.metrics == {"validation": {"score": 0.5}}
    same(run.networks.whole(golden_pictures((1, 4), 32)), expected)


def test_a_run_on_single_frames(unpacked: Callable) -> None:
    root, expected = unpacked("framewise_run")
    run = load_run(root)
    assert run.step == 5 and run.description.thresholds["AU26"] == 40.5
    same(run.networks(golden_pictures((4,), 32), training=False), expected)


def test_a_gan(unpacked: Callable) -> None:
    root, expected = unpacked("gan_run")
    z = np.random.default_rng(1).uniform(-1, 1, (2, 100)).astype(np.float32)
    same({"faces": load_gan(root).generator(z, training=False)}, expected)


def test_the_state_of_a_stream(unpacked: Callable) -> None:
    root, expected = unpacked("stream_state")
    state = StreamState.load(root / "state.npz")
    assert (state.since_reset, state.time) == (3, 1.5)
    same(dict(state.arrays), expected)


def test_another_version_says_what_to_do(unpacked: Callable) -> None:
    def of_version(folder: Path, schema: int) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest["files"]
        manifest.pop("seal", None)  # it is written anew
        write_manifest(folder, {**manifest, "schema": schema})

    export = unpacked("generator_export")[0] / "faces" / "1"
    of_version(export, 99)
    with pytest.raises(ArtifactError, match="another version.*99; export it again from its run"):
        load_export(export)
    run = unpacked("gan_run")[0]
    of_version(run / "step-00000006", 99)
    with pytest.raises(ArtifactError, match="another version.*99; read it with the version that"):
        load_gan(run)
