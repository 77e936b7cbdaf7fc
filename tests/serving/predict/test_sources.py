"""Every frame of a source is answered for once, whatever its rate and its header say."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from kaffect.errors import VideoError
from kaffect.serving.predict.sources import find_sources, read_picture
from tests.data.drawing import draw, read_number, write_video


@pytest.mark.parametrize(
    "rate", [12, Fraction(25, 2), Fraction(24000, 1001), 30, 48, 60, 120], ids=str
)
def test_each_source_frame_once_and_nearest(tmp_path: Path, rate: Fraction | int) -> None:
    path = write_video(tmp_path / "v.mp4", map(draw, range(61)), rate)
    (source,) = find_sources(str(path))
    frames = list(source.frames(30))
    assert [f.number for f in frames] == list(range(len(frames)))
    answered = [(n, t, f) for f in frames for n, t in f.stands_for]
    assert [n for n, _, _ in answered] == list(range(1, 62))
    for number, time, frame in answered:
        assert time == pytest.approx((number - 1) / float(rate), abs=1e-3)
        assert abs(frame.time - time) <= 1 / 60 + 1e-6 or frame is frames[-1]
    painted = [read_number(f.image) for f in frames]
    changes = [True] + [a != b for a, b in zip(painted, painted[1:])]
    assert [f.fresh for f in frames] == changes
    assert source.expected_frames(30) == pytest.approx(len(frames), abs=2)


def test_a_header_that_lies(tmp_path: Path) -> None:
    """A copy that was cut: the header still promises 90 frames."""
    path = write_video(tmp_path / "v.avi", map(draw, range(90)), codec="mjpeg", pixels="yuvj420p")
    whole = path.read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    assert int(cv2.VideoCapture(str(tmp_path / "cut.avi")).get(cv2.CAP_PROP_FRAME_COUNT)) > 60
    (source,) = find_sources(str(tmp_path / "cut.avi"))
    numbers = [n for frame in source.frames() for n, _ in frame.stands_for]
    assert 30 < len(numbers) < 60 and numbers == list(range(1, len(numbers) + 1))


def test_a_folder_of_pictures_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), draw(number)[:, :, ::-1])
    (source,) = find_sources(str(tmp_path))
    frames = list(source.frames())
    assert [read_number(f.image) for f in frames] == [1, 9, 10]
    assert [f.stands_for for f in frames] == [((1, 0),), ((2, 1 / 30),), ((3, 2 / 30),)]
    assert source.expected_frames() == 3
    (single,) = find_sources(str(tmp_path / "frame9.png"))
    assert [read_number(f.image) for f in single.frames()] == [9]


def test_a_folder_of_videos(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mp4", "a.mkv"):
        write_video(tmp_path / name, [draw(1)])
    (tmp_path / "notes.txt").write_text("x")
    names = [source.name for source in find_sources(str(tmp_path))]
    assert names == ["a.mkv", "a.mp4", "b"]  # two of one stem keep their suffix


def test_cameras_and_addresses() -> None:
    assert (find_sources("0")[0].kind, find_sources("0")[0].live) == ("camera", True)
    (stream,) = find_sources("rtsp://somewhere/1")
    assert stream.kind == "stream" and stream.name == "stream"
    with pytest.raises(VideoError, match="camera 98"):
        next(find_sources("98")[0].frames())


@pytest.mark.parametrize("what", ["nothing.mp4", "", "file://x"])
def test_nothing_there(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError):
        find_sources(what)


def test_broken_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match="a.png"):
        read_picture(tmp_path / "a.png")
    # A small file that says it is 30000 x 30000: refused before it is decoded.
    bomb = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    bomb[16:24] = (30000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(bytes(bomb))
    with pytest.raises(VideoError, match="bomb.png"):
        read_picture(tmp_path / "bomb.png")
