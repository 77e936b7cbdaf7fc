"""A part of a video has the rows that the whole video has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kaffect.cli import main
from kaffect.errors import ConfigError, VideoError
from kaffect.faces import TrackedFace
from kaffect.faces.crops import CropRule
from kaffect.serving.loading import Export
from kaffect.serving.predict import run
from kaffect.serving.predict.people import CroppedFrame, PeopleReader
from kaffect.serving.predict.run import PredictOptions, predict
from kaffect.serving.predict.segment import Segment, needed_faces, only_asked, parse_time
from kaffect.serving.predict.sources import SourceFrame, find_sources
from kaffect.serving.predictor import Predictor
from tests.data.drawing import write_video

from .clips import SquareDetector, scene
from .test_run import table

RESET, GAP = 10, 6
IMAGE = np.zeros((1, 1, 3), np.uint8)


class Counting:
    """A network whose answer is how much it has seen since its last reset, whole numbers only."""

    recurrent, reset_every = True, RESET
    facts = SimpleNamespace(fps=30, crop_rule=CropRule(image_size=8))

    def __init__(self) -> None:
        self.read = 0

    def zero_state(self) -> dict[str, np.ndarray]:
        return {"seen": np.zeros((1, 1))}

    def encode(self, crops: np.ndarray) -> np.ndarray:
        self.read += len(crops)
        return crops.reshape(len(crops), -1)[:, :1].astype(float)

    def continue_features(self, features: np.ndarray, state: Any) -> Any:
        seen = state["seen"][:, None] + np.cumsum(features, axis=1)
        return {"sum": seen}, {"seen": seen[:, -1]}


def frames() -> list[CroppedFrame]:
    """Person 0 from frame 3 on with short pauses and a long one, person 1 in the middle."""
    rng, found = np.random.default_rng(0), []
    for number in range(90):
        here = [0] if number >= 3 and number % 11 != 5 and not 40 <= number < 50 else []
        here += [1] if 24 <= number < 71 and number not in (30, 31) else []
        crops = tuple(np.full((8, 8, 3), rng.integers(1, 200), np.uint8) for _ in here)
        faces = tuple(TrackedFace(person, (0.0, 0.0, 8.0, 8.0), 1.0, None, True) for person in here)
        frame = SourceFrame(number, number / 30, IMAGE, True, ((number + 1, number / 30),))
        found.append(CroppedFrame(frame, faces, crops))
    return found


def sums(network: Counting, stream: Any) -> dict[tuple[int, int], float]:
    reader = PeopleReader(network, 4, GAP / 30)  # type: ignore[arg-type]
    return {
        (answer.frame.number, found.face.person): float(found.outputs["sum"][0])
        for answer in reader.read(stream)
        for found in answer.faces
    }


@pytest.mark.parametrize("first", range(1, 90))
def test_the_network_begins_at_the_reset_before_and_answers_the_same(first: int) -> None:
    whole, part = Counting(), Counting()
    expected = {key: v for key, v in sums(whole, frames()).items() if key[0] >= first}
    answers = sums(part, needed_faces(frames(), first, RESET, GAP))
    found = {key: value for key, value in answers.items() if key[0] >= first}
    assert found == expected
    early = {number for number, _ in answers if number < first}
    assert all(first - number < RESET for number in early)
    assert part.read <= len(expected) + 2 * RESET + 1  # and one grey picture


def test_a_network_of_single_pictures_begins_at_the_part_itself() -> None:
    kept = list(needed_faces(frames(), 30, None, GAP))
    assert [bool(frame.faces) for frame in kept[:30]] == [False] * 30
    people = [[face.person for face in frame.faces] for frame in kept[30:]]
    assert people == [[face.person for face in frame.faces] for frame in frames()[30:]]
    thin = list(only_asked(frames(), lambda frame: frame.number % 4 == 0))
    assert {frame.frame.number % 4 for frame in thin if frame.faces} == {0}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifty frames at 25 a second, two people."""
    images = [scene((10 + k, 30), None if k < 20 else (110, 70)) for k in range(50)]
    return write_video(tmp_path_factory.mktemp("clips") / "two.mp4", images, 25)


@pytest.mark.parametrize("smooth", [0.0, 0.1])
def test_rows_of_a_part_are_those_of_the_whole(
    smooth: float,
    clip: Path,
    sequence_export: Export,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "detector_of", lambda *_: SquareDetector())
    (source,), predictor = find_sources(str(clip)), Predictor(sequence_export)

    def rows(name: str, segment: Segment) -> list[dict[str, str]]:
        options = PredictOptions(tmp_path / name, summary=False, segment=segment, smooth=smooth)
        predict(source, predictor, options)
        return table(tmp_path / name / "two.csv")

    whole, part = rows("whole", Segment()), rows("part", Segment(0.9, 1.6, 3))
    wanted = [r for r in whole if 0.9 <= float(r["time"]) < 1.6 and int(r["frame"]) % 3 == 1]
    assert len(part) == len(wanted) == 12 and {r["person"] for r in part} == {"0", "1"}
    for mine, theirs in zip(part, wanted):
        assert mine.keys() == theirs.keys()
        for column, text in theirs.items():
            if column in ("valence", "arousal", *predictor.facts.label_space.expressions):
                assert float(mine[column]) == pytest.approx(float(text), abs=2e-6)
            else:
                assert mine[column] == text
    assert all(row["yaw"] and row["blur"] and row["face_size"] for row in part)


def test_behind_the_end_there_is_nothing_and_no_file(
    clip: Path, sequence_export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "detector_of", lambda *_: SquareDetector())
    (source,) = find_sources(str(clip))
    options = PredictOptions(tmp_path / "out", segment=Segment(start=2.5))
    with pytest.raises(VideoError, match="no frame at --start 2.5 seconds"):
        predict(source, Predictor(sequence_export), options)
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90.5", 90.5), ("1:30", 90), ("0:01:30.25", 90.25), ("90:00", 5400)],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text, "--start") == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:60", "1:60:00", "nan", "1e3", "1:2:3:4", "a"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigError, match="--start"):
        parse_time(text, "--start")


@pytest.mark.parametrize(
    "flags",
    [["--start", "3", "--end", "2"], ["--every", "0"], ["--every", "2", "--overlay"],
     ["--smooth", "-1"], ["--start", "x"]],
)  # fmt: skip
def test_mistakes_are_one_line(
    flags: list[str], clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(clip), "--out", str(tmp_path / "out"), *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and flags[0] in line
    assert not (tmp_path / "out").exists()
