"""A network predicts in the boxes of the detector that it was trained with (Section III-E)."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kaffect.cli import main, serve
from kaffect.config import FramewiseConfig
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import ArtifactError, ConfigError
from kaffect.faces import Detection, other_detector
from kaffect.faces.crops import ALIGNED, CropRule
from kaffect.files import read_json, write_json
from kaffect.labels import AFF_WILD
from kaffect.serving import own_detector, read_faces
from kaffect.serving.card import CARD
from kaffect.serving.demo import tracked
from kaffect.serving.facts import Facts
from kaffect.serving.loading import Export, load_export
from kaffect.serving.own_detector import detector_of
from kaffect.serving.predict.people import cropped_frames
from kaffect.serving.predict.sources import SourceFrame
from kaffect.serving.predictor import Predictor
from kaffect.serving.run_export import export_run
from kaffect.training.runs import RunDescription, describe
from tests import golden_artefacts
from tests.data.drawing import write_video

from .predict.clips import SIDE, SquareDetector, scene

MTCNN = {"name": "mtcnn", "version": "mtcnn 1.0.0", "longest_side": 400, "people": 2}


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the detectors that were asked for; what they are is another matter."""
    names: list[str] = []

    def create(name: str, model: Path | None = None) -> SquareDetector:
        names.append(name)
        found = SquareDetector()
        found.name = name
        return found

    monkeypatch.setattr(own_detector, "create_detector", create)
    return names


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", [scene((20 + k, 30)) for k in range(6)], 25)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on single frames whose faces mtcnn found."""
    folder = tmp_path_factory.mktemp("trained") / "checkpoints" / "row-01-seed-0"
    golden_artefacts.framewise_run(folder)
    dataclasses.replace(RunDescription.read(folder), detector=MTCNN).write(folder)
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path) -> Export:
    return load_export(export_run(trained, trained.parents[1] / "frames" / "1"))


def test_the_run_records_what_found_its_faces(tmp_path: Path) -> None:
    rule = CropRule(image_size=32)
    found = []
    for detector in (MTCNN, None):
        manifest = {"settings": {"detector": detector}}
        data = PreparedData(tmp_path, manifest, AFF_WILD, rule, 30, "png", "0" * 16, ())
        describe(FramewiseConfig(), data, {"name": "x", "kind": "real"}).write(tmp_path)
        found.append(RunDescription.read(tmp_path).detector)
    assert found == [MTCNN, None]
    values = read_json(tmp_path / "run.json")
    del values["detector"]  # a run of before it was recorded
    write_json(tmp_path / "run.json", values, sealed=True)
    assert RunDescription.read(tmp_path).detector is None


def test_export_and_card_say_it(exported: Export) -> None:
    assert exported.facts.detector == MTCNN
    card = (exported.folder / CARD).read_text()
    assert "found by mtcnn (mtcnn 1.0.0)" in card and "without alignment" in card


def test_the_command_takes_it(
    trained: Path, exported: Export, clip: Path, created: list[str], tmp_path: Path, capsys: Any
) -> None:
    words = ["predict", str(clip), "--no-summary", "--out", str(tmp_path), "--model"]
    assert main([*words, str(exported.folder)]) == 0
    assert set(created) == {"mtcnn"} and "note: faces" not in capsys.readouterr().out
    created.clear()
    assert main([*words, str(exported.folder), "--detector", "haar"]) == 0
    assert set(created) == {"haar"}
    lines = capsys.readouterr().out.splitlines()
    (note,) = [line for line in lines if line.startswith("note: faces are found by haar")]
    assert "trained on faces found by mtcnn (mtcnn 1.0.0)" in note


def test_read_faces_takes_it(exported: Export, clip: Path, created: list[str]) -> None:
    predictor = Predictor(exported)
    assert sum(row["face"] for row in read_faces(clip, predictor)) > 0
    assert set(created) == {"mtcnn"}
    with pytest.warns(UserWarning, match="found by haar, .* found by mtcnn"):
        list(read_faces(clip, predictor, "haar"))


def test_the_page_takes_it(exported: Export, created: list[str], capsys: Any) -> None:
    tracked.demo_model(exported, "frames", 1)
    assert set(created) == {"mtcnn"}
    servable = SimpleNamespace(keep=exported, version=1)
    models: Any = SimpleNamespace(names=["frames"], get=lambda _: servable)
    server = SimpleNamespace(engine=SimpleNamespace(metrics=None))
    for asked in (None, "haar"):
        capsys.readouterr()
        options = argparse.Namespace(demo="", detector=asked, detector_model=None, smooth=0.0)
        serve._add_demo(server, models, options)
        assert capsys.readouterr().out.startswith("note: faces are found by haar") == bool(asked)


def test_without_the_fact_it_is_as_it_was() -> None:
    values = Facts("old").to_dict()
    del values["detector"]  # an export of before, or AffWildNet
    facts = Facts.from_dict(json.loads(json.dumps(values)))
    assert detector_of(facts).name == "haar"
    assert other_detector(facts.detector, {"name": "mtcnn", "version": "1"}) == ""


@pytest.mark.parametrize(
    "damaged", [{}, {"name": "mtcnn"}, {"name": 3, "version": "1"}, 7, "mtcnn"]
)
def test_a_damaged_fact_is_refused(damaged: Any) -> None:
    with pytest.raises(ArtifactError, match="not the description of a model"):
        Facts.from_dict({**Facts("x").to_dict(), "detector": damaged})


def test_its_detector_may_be_missing_here() -> None:
    described = {"name": "mediapipe", "version": "mediapipe 0.10.1", "model_sha256": "ab"}
    facts = Facts("x", detector=described)
    expected = r"^this network was trained on faces found by mediapipe \(mediapipe 0\.10\.1\): .*"
    with pytest.raises(
        ConfigError, match=expected + "needs a model file.*--detector NAME"
    ) as error:
        detector_of(facts)
    assert "\n" not in str(error.value)
    assert detector_of(facts, "haar").name == "haar"
    other = {**described, "model_sha256": "cd"}
    assert "mediapipe with another model file" in other_detector(described, other)
    assert other_detector(described, {**described, "version": "mediapipe 0.10.2"}) == ""


def test_aligned_faces_need_landmarks_and_get_them() -> None:
    rule = CropRule("5-point", image_size=32)
    facts = Facts("x", crop_rule=rule, detector=MTCNN)
    with pytest.raises(ConfigError, match="aligned by their landmarks.*'mtcnn'.*'haar'"):
        detector_of(facts, "haar")

    class WithPoints(SquareDetector):
        has_landmarks = True

        def detect(self, frames: Any) -> list[list[Detection]]:
            return [
                [Detection(d.box, d.score, ALIGNED * SIDE + d.box[:2]) for d in found]
                for found in super().detect(frames)
            ]

    image = scene((20, 30))
    frames = (SourceFrame(n, n / 25, image, True, ()) for n in range(3))
    crops = [crop for f in cropped_frames(frames, WithPoints(), rule) for crop in f.crops]
    # Landmarks at the places of an aligned face in the square: the crop is the square itself.
    wanted = image[30 : 30 + SIDE, 20 : 20 + SIDE].reshape(8, 5, 8, 5, 3).mean((1, 3))
    assert crops
    for crop in crops:
        assert np.abs(crop.reshape(8, 4, 8, 4, 3).mean((1, 3)) - wanted).mean() < 6
