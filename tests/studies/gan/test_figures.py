"""Figure 7 of a user's own GAN: its faces, and the nearest of every face that it was trained on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import run
from kaffect.config import GanConfig
from kaffect.files import read_json
from kaffect.studies.gan import SMOKE, portraits
from kaffect.studies.gan.generation import generate_faces
from kaffect.studies.image_grids import image_grid, read_image
from kaffect.studies.pictures import read_images
from kaffect.studies.sources import open_source
from kaffect.training.gan_images import normalise, to_pixels
from kaffect.training.runs import RunDescription

NAME = "configuration-1-row-05-seed-0"


@pytest.fixture
def finished(
    finished_gan_table: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """The tree, and the GAN of the joint row that was trained on it."""
    tree, out = finished_gan_table
    monkeypatch.setenv("KAFFECT_HOME", str(out.parent / "home"))
    return tree, out / "checkpoints" / NAME


def _every_face(tree: Path) -> tuple[np.ndarray, list[str]]:
    """All faces of the training videos, as they are and mirrored, and the video of each.

    Of this tree the GAN sees all: track a without labels, the two people of b with labels.
    """
    index = open_source(tree, SMOKE, "au").prepared.split("train")
    rows = np.flatnonzero(index.has_face)
    faces = to_pixels(normalise(read_images(index, rows), 32))
    videos = [index.tracks[track] for track in index.track[rows]]
    return np.concatenate([faces, faces[:, :, ::-1]]), videos * 2


def test_figure_7_of_a_given_gan_compares_with_every_training_face(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, gan = finished
    command = ["--figure", "7", "--model", str(gan), "--data", str(tree), "--out", str(tmp_path)]
    assert run.main([*command, "--profile", "smoke"]) == 0
    line = (
        "nearest.png compares 64 generated faces with all 147 training faces "
        "(100 with labels, 47 without), each also mirrored"
    )
    assert line in capsys.readouterr().out
    report = read_json(tmp_path / "nearest.json")
    assert report["compared"]["training_faces"] == 147 and report["compared"]["also_mirrored"]
    generated = generate_faces(gan, 64, seed=1).images
    known, videos = _every_face(tree)
    assert len(known) == 2 * 147 and set(videos) == {"a", "b_left", "b_right"}
    squares = (generated[:, None].astype(float) - known[None].astype(float)) ** 2
    distances = np.sqrt(squares.mean(axis=(2, 3, 4)))
    assert len(report["nearest"]) == 64
    for found, own in zip(report["nearest"], distances, strict=True):
        assert found["distance"] == pytest.approx(own.min(), abs=2e-3)
        # Bars that are mirrored can be as near: the same distance under several names.
        names = {(videos[i], i >= 147) for i in np.flatnonzero(own < own.min() + 1e-6)}
        assert (found["video"], found["mirrored"]) in names
    assert report["generated_to_training"]["smallest"] == pytest.approx(distances.min(), abs=2e-3)
    # Odd rows are the generated faces, all 64; one line of text stands above.
    picture = read_image(tmp_path / "nearest.png")[16:]
    assert picture.shape == image_grid(np.zeros((128, 32, 32, 3), np.uint8), columns=8).shape
    np.testing.assert_array_equal(picture[2:66:2, 2:66:2], generated[0])
    np.testing.assert_array_equal(picture[-132:-68:2, -66:-2:2], generated[63])
    below = picture[-66:-2:2, -66:-2:2].astype(float)
    last = np.sqrt(((generated[63] - below) ** 2).mean())
    assert last == pytest.approx(distances[63].min(), abs=2e-3), "what was measured is shown"


def test_faces_that_a_gan_is_not_shown_are_left_out(finished: tuple[Path, Path]) -> None:
    tree, _ = finished
    source = open_source(tree, SMOKE, "au")
    config = GanConfig().changed({"data.unlabelled": 0.0, "data.flip": False})
    search = portraits.TrainingFaces(source, config)
    wanted = {"training_faces": 100, "labelled": 100, "unlabelled": 0, "also_mirrored": False}
    assert search.compared == wanted and "mirrored" not in search.title
    found, between = search.nearest(np.zeros((1, 32, 32, 3), np.uint8))
    assert not found.mirrored.any() and len(between.distance) == 2, "one face of each video"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "train.steps=3"], "--set cannot be used with --model"),
        (["--kernel", "7"], "--kernel cannot be used with --model"),
        (["--configuration", "1"], "--configuration cannot be used with --model"),
        ([], "expected --data DIR, the data it was trained on, 'tree'. Received: none"),
        (["--data", "nowhere"], "--data nowhere: expected a folder"),
        (["--model", "nowhere"], "nowhere: expected the folder of one trained GAN"),
    ],
)
def test_a_mistake_with_a_given_gan(
    finished: tuple[Path, Path], arguments: list[str], message: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _, gan = finished
    monkeypatch.chdir(tmp_path)
    assert run.main(["--figure", "7", "--model", str(gan), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_faces_of_other_data_are_not_compared_with(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, gan = finished
    shutil.copytree(gan, tmp_path / "gan")
    described = RunDescription.read(gan)
    replace(described, data={**described.data, "hash": "0123"}).write(tmp_path / "gan")
    command = ["--figure", "7", "--model", str(tmp_path / "gan"), "--data", str(tree)]
    assert run.main([*command, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "expected the data it was trained on, 'tree' (0123)" in error and "by --data" in error
    assert not (tmp_path / "out").exists()
