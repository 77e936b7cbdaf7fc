"""The network that comes with the project: what it is, that it reads, and who uses it."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kaffect.annotation.project import open_project
from kaffect.cli import annotate, main, serve
from kaffect.data.video.mp4 import Mp4Writer
from kaffect.errors import ArtifactError
from kaffect.labels import EXPRESSIONS_8
from kaffect.serving.loading import export_hash
from kaffect.serving.own_model import NOTE, OWN_MODEL
from kaffect.serving.predictor import Predictor
from kaffect.studies.own_model.train import plain_pictures
from kaffect.synthetic import SyntheticConfig, make_plan, render_video, simulate_video
from kaffect.synthetic.random_faces import random_face

# Of manifest.json, which has the hash of every other file: as docs/own_model.md says.
SHA256 = "dd8fa47a9d710e70aea8cdcfa1c72acc89cbe71919dfa673df4422517602c646"
MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.from_saved_model(OWN_MODEL)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every third frame of a rendered video, at ten a second."""
    video = make_plan(SyntheticConfig.profile("smoke"))[0]
    path = tmp_path_factory.mktemp("clips") / "talk.mp4"
    with Mp4Writer(path, 10, "ultrafast", 20) as writer:
        for image in render_video(video, 3):
            writer.add(image)
    return path


def test_its_files_are_those_that_were_measured() -> None:
    assert export_hash(OWN_MODEL / "1") == SHA256
    assert sum(path.stat().st_size for path in OWN_MODEL.rglob("*") if path.is_file()) < MOST_BYTES


def test_its_card_says_what_it_is_and_how_well_it_reads() -> None:
    card = (OWN_MODEL / "1" / "MODEL_CARD.md").read_text("utf-8")
    for words in (
        "rendered people",
        "(95 %:",
        "Real faces",
        "never seen a real face",
        "Apache-2.0",
    ):
        assert words in card


def test_it_reads_rendered_people_that_it_was_not_trained_on(predictor: Predictor) -> None:
    """Other people than in training (another seed): far above the most frequent class."""
    import cv2

    faces = [random_face(999, number, 96) for number in range(60)]
    grey = np.stack([cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY) for face in faces])
    found = predictor.predict_frames(plain_pictures(grey, predictor.picture_shape[0]))
    said = found["expression_probabilities"].argmax(axis=1)
    truth = np.array([face.expression for face in faces])
    assert (said == truth).mean() > 0.5 > np.bincount(truth).max() / len(truth) + 0.1
    valence = [face.valence_arousal[0] for face in faces]
    assert np.corrcoef(found["valence_arousal"][:, 0], valence)[0, 1] > 0.6
    units = np.array([face.action_units for face in faces])
    assert ((found["action_unit_probabilities"] > 0.5) == units).mean() > 0.8


def test_predict_takes_it_where_no_other_is_named(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way of a user: one command, one line that says so, rows that follow the face."""
    assert main(["predict", str(clip), "--no-summary", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count(NOTE) == 1
    with open(tmp_path / "talk.csv", encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["face"] == "1"]
    (track,) = simulate_video(make_plan(SyntheticConfig.profile("smoke"))[0])
    truth = track.affect.valence_arousal[::3, 0]
    frames = [int(row["frame"]) - 1 for row in rows]
    assert len(rows) > 10
    said = [float(row["valence"]) for row in rows]
    assert np.corrcoef(said, truth[frames])[0, 1] > 0.3
    assert {row["expression"] for row in rows} <= set(EXPRESSIONS_8)


def test_serve_demo_takes_it_and_serve_alone_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded: list[tuple[str, Path]] = []

    def load(named: list[tuple[str, Path]], _: argparse.Namespace) -> None:
        loaded.extend(named)
        raise ArtifactError("enough")

    monkeypatch.setattr(serve, "_load", load)
    assert main(["serve", "--demo"]) == 2
    assert loaded == [("affect", OWN_MODEL)]
    assert NOTE in capsys.readouterr().out
    assert main(["serve"]) == 2
    assert "No model to serve" in capsys.readouterr().err


def test_annotate_proposes_with_it(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = open_project(tmp_path / "project", clip.parent)
    (table,) = annotate._proposals(project, Path(), tmp_path / "tables")
    assert NOTE in capsys.readouterr().out
    assert table.name == "talk.csv"
    with open(table, encoding="utf-8", newline="") as handle:
        assert {"frame", "face", "person", "valence", "AU12"} <= set(next(csv.reader(handle)))


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "affect" / "1"
    shutil.copytree(OWN_MODEL / "1", copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    assert manifest["facts"]["data"]["kind"] == "rendered"
    with open(copy / "MODEL_CARD.md", "a", encoding="utf-8") as handle:
        handle.write("It is always right.\n")
    with pytest.raises(ArtifactError):
        Predictor.from_saved_model(copy)
