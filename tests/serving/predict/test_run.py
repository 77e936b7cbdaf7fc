"""`kaffect predict`: right rows, complete files or none, pages that hold what they should."""

from __future__ import annotations

import csv
import json
import re
import threading
from pathlib import Path

import av
import numpy as np
import pytest
from rich.console import Console

from kaffect.cli import main
from kaffect.errors import VideoError
from kaffect.serving.loading import Export
from kaffect.serving.predict import run
from kaffect.serving.predict.live import people_table
from kaffect.serving.predict.run import PredictOptions, answers, predict
from kaffect.serving.predict.sources import Source, find_sources
from kaffect.serving.predictor import Predictor
from tests.data.drawing import draw, write_video

from .clips import SquareDetector, scene


@pytest.fixture(scope="module")
def predictor(sequence_export: Export) -> Predictor:
    return Predictor(sequence_export)


@pytest.fixture(autouse=True)
def squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "detector_of", lambda *_: SquareDetector())


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames without a face, twenty with one person, twenty with two, ten without; 25 fps."""
    first = [None] * 10 + [(20 + k, 30) for k in range(40)] + [None] * 10
    second = [None] * 30 + [(110 - k, 70) for k in range(20)] + [None] * 10
    images = [scene(a, b) for a, b in zip(first, second)]
    path = tmp_path_factory.mktemp("clips") / "a <b> & c.mp4"
    return write_video(path, images, 25)


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_rows_of_every_frame_and_person(clip: Path, predictor: Predictor, tmp_path: Path) -> None:
    (source,) = find_sources(str(clip))
    options = PredictOptions(tmp_path / "out", json=True, overlay=True)
    result = predict(source, predictor, options)
    found = table(tmp_path / "out" / "a <b> & c.csv")
    assert sorted({int(row["frame"]) for row in found}) == list(range(1, 61))
    by_frame: dict[int, list[dict[str, str]]] = {}
    for row in found:
        by_frame.setdefault(int(row["frame"]), []).append(row)
        assert float(row["time"]) == pytest.approx((int(row["frame"]) - 1) / 25, abs=1e-3)
    for number in range(1, 11):  # nobody is there yet
        (row,) = by_frame[number]
        assert row["face"] == "0" and row["person"] == row["valence"] == row["left"] == ""
    assert {row["person"] for number in range(16, 28) for row in by_frame[number]} == {"0"}
    assert {row["person"] for row in by_frame[45]} == {"0", "1"}
    assert by_frame[60][0]["face"] == "0"
    row = by_frame[20][0]
    assert float(row["left"]) == pytest.approx(20 + 9, abs=5)
    names = predictor.facts.label_space.expressions
    assert sum(float(row[name]) for name in names) == pytest.approx(1, abs=1e-4)
    assert row["expression"] == max(names, key=lambda name: float(row[name]))
    assert (result.frames, result.people) == (60, 2)
    assert result.without_face == sum(row["face"] == "0" for row in found)
    lines = [json.loads(x) for x in (tmp_path / "out" / "a <b> & c.jsonl").read_text().splitlines()]
    assert len(lines) == len(found)
    assert lines[0]["outputs"] is None and lines[0]["face"] is False
    assert set(lines[-20]["outputs"] or lines[25]["outputs"]) == {
        "valence", "arousal", "expression", *names,
    }  # fmt: skip
    check_film(tmp_path / "out" / "a <b> & c.mp4")
    check_page(tmp_path / "out" / "a <b> & c.html")
    assert all(path.is_file() for path in result.files) and len(result.files) == 5


def check_film(path: Path) -> None:
    """72 frames at 30 a second are 60 at 25; a box is drawn where a face is."""
    with av.open(str(path)) as film:
        frames = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]
        assert film.streams.video[0].average_rate == 30
    assert len(frames) == 72
    assert frames[0].shape[0] == 480 and frames[0].shape[1] > 640
    orange = np.array([230, 159, 0])
    count = [int((np.abs(f[:, :640].astype(int) - orange).max(-1) < 40).sum()) for f in frames]
    assert count[3] < 50 < 500 < count[30]


def check_page(path: Path) -> None:
    page = path.read_text()
    assert "<h1>a &lt;b&gt; &amp; c</h1>" in page and "<b>" not in page
    assert "60 frames" in page and page.count("<tr>") == 3
    assert not re.search(r"(src|href)=[\"']?(http|//)", page)  # needs no network


def test_the_same_rows_live(clip: Path, predictor: Predictor, tmp_path: Path) -> None:
    (source,) = find_sources(str(clip))
    frames = [
        list(answers(source, predictor, SquareDetector(), PredictOptions(tmp_path, live=live)))
        for live in (False, True)
    ]
    for batched, at_once in zip(*frames, strict=True):
        mine = {f.face.person: f.outputs["valence_arousal"] for f in batched.faces}
        theirs = {f.face.person: f.outputs["valence_arousal"] for f in at_once.faces}
        assert set(mine) == set(theirs)
        for person, values in mine.items():
            # Boxes may differ a little: key frames are found at other moments.
            np.testing.assert_allclose(values, theirs[person], atol=0.05)
    assert sum(len(a.faces) for a in frames[0]) > 40


def test_the_terminal_view(clip: Path, predictor: Predictor, tmp_path: Path) -> None:
    (source,) = find_sources(str(clip))
    found = list(answers(source, predictor, SquareDetector(), PredictOptions(tmp_path)))
    console = Console(width=120, record=True, file=open("/dev/null", "w", encoding="utf-8"))
    with console.file:
        console.print(people_table(predictor, found[0]))
        console.print(people_table(predictor, found[50]))
    text = console.export_text()
    assert "no face" in text and text.count("●") == 4 and "%" in text


def test_a_source_that_breaks_off_leaves_no_file(predictor: Predictor, tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", map(draw, range(60)), 30)
    data = bytearray(path.read_bytes())
    start = data.find(b"mdat") + 4
    length = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    data[start : start + length] = b"\x55" * length  # not one frame can be decoded
    path.write_bytes(bytes(data))
    with pytest.raises(VideoError, match="v.mp4"):
        predict(Source("v", str(path), "video"), predictor, PredictOptions(tmp_path / "out"))
    assert not [p for p in (tmp_path / "out").glob("*")]
    assert not [t for t in threading.enumerate() if t.name == "frames"]


def test_the_command(clip: Path, predictor: Predictor, tmp_path: Path, capsys) -> None:
    folder = str(predictor.export.folder)
    arguments = ["predict", str(clip.parent), "--model", folder, "--out", str(tmp_path / "o")]
    assert main([*arguments, "--no-summary"]) == 0
    printed = capsys.readouterr().out
    assert "60 frames" in printed and "2 people" in printed
    assert [p.name for p in (tmp_path / "o").iterdir()] == ["a <b> & c.csv"]
    for wrong in (
        ["predict", "missing.mp4", "--model", folder],
        ["predict", str(clip), "--model", str(tmp_path)],
        ["predict", str(clip), "--model", folder, "--batch", "0"],
    ):
        assert main(wrong) == 2
        assert capsys.readouterr().err.startswith("error: ")
