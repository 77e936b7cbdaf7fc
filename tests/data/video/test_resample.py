"""Time stamps, not headers: which source frame is shown when, what is refused (Section III-A)."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from kaffect.data.video.lengths import check_length
from kaffect.data.video.resample import VideoReader, nearest_frame
from kaffect.errors import VideoError
from tests.data.drawing import draw, overwrite, read_number, write_video

RATES = [12, 15, Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, 48, 50, 60]


def jittered(frames: int, rate: int, seed: int) -> list[Fraction]:
    """Time stamps of a camera whose intervals vary by up to half of themselves, from 0."""
    steps = np.random.default_rng(seed).uniform(0.5, 1.5, frames) / rate
    steps[0] = 0
    return [Fraction(round(t * 15360), 15360) for t in np.cumsum(steps)]


def check_against_times(path: Path, times: list[float], duration: float) -> None:
    """Every shown picture is the nearest in time, by an exhaustive search; the count fits."""
    reader = VideoReader(path)
    shown = [(f.number, f.source, read_number(f.image), f.source_time) for f in reader]
    assert reader.decoded == len(times)
    np.testing.assert_allclose(reader.source_times, times, atol=2e-4)
    assert [number for number, *_ in shown] == list(range(len(shown)))
    assert abs(len(shown) - round(30 * duration)) <= 1
    for number, source, painted, source_time in shown:
        assert painted == source - 1, "the picture is not the frame whose label it takes"
        distance = abs(source_time - number / 30)
        assert distance <= min(abs(t - number / 30) for t in times) + 2e-4
        if number / 30 <= times[-1]:
            gaps = np.diff([*times, times[-1] + 1 / 30])
            around = max(gaps[max(source - 2, 0) : source])
            assert distance <= around / 2 + 2e-4


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_constant_rates(tmp_path: Path, rate: Fraction | int) -> None:
    frames = 70
    path = write_video(tmp_path / "v.mp4", map(draw, range(frames)), rate)
    times = [float(n / Fraction(rate)) for n in range(frames)]
    check_against_times(path, times, frames / float(rate))


@pytest.mark.parametrize(("rate", "seed"), [(12, 0), (20, 1), (30, 2), (45, 3)])
def test_variable_rates(tmp_path: Path, rate: int, seed: int) -> None:
    times = jittered(60, rate, seed)
    path = write_video(tmp_path / "v.mp4", map(draw, range(60)), rate, times)
    exact = [float(t) for t in times]
    check_against_times(path, exact, exact[-1] + exact[-1] - exact[-2])


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".avi"])
def test_containers(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"v{suffix}", map(draw, range(40)), 25)
    check_against_times(path, [n / 25 for n in range(40)], 40 / 25)


def test_time_counts_from_the_first_frame(tmp_path: Path) -> None:
    times = [Fraction(5) + Fraction(n, 30) for n in range(10)]
    reader = VideoReader(write_video(tmp_path / "v.mkv", map(draw, range(10)), 30, times))
    assert [f.source for f in reader] == list(range(1, 11))


def test_30_fps_passes_through(tmp_path: Path) -> None:
    reader = VideoReader(write_video(tmp_path / "v.mp4", map(draw, range(45)), 30))
    assert [f.source for f in reader] == list(range(1, 46))
    times = np.asarray(reader.source_times)
    assert nearest_frame(times, 30, 45).tolist() == list(range(45))


def test_nearest_frame_is_nearest() -> None:
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 4, 200))
    rows = nearest_frame(times, 30, 100)
    expected = [int(np.argmin(np.abs(np.arange(100) / 30 - t))) for t in times]
    assert rows.tolist() == expected


@pytest.mark.parametrize("codec,pixels", [("libx264", "yuv420p"), ("libx264", "yuv420p10le")])
def test_other_codecs_and_ten_bits(tmp_path: Path, codec: str, pixels: str) -> None:
    path = write_video(tmp_path / "v.mp4", map(draw, range(12)), 30, codec=codec, pixels=pixels)
    frames = list(VideoReader(path))
    assert [read_number(f.image) for f in frames] == list(range(12))
    assert all(f.image.dtype == np.uint8 for f in frames)


def test_one_frame_and_odd_size(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.mp4", [draw(5)], 30)
    assert [read_number(f.image) for f in VideoReader(one)] == [5]
    odd = write_video(
        tmp_path / "odd.mkv", [draw(3, 67, 45)] * 4, 30, codec="ffv1", pixels="yuv444p"
    )
    assert {f.image.shape for f in VideoReader(odd)} == {(45, 67, 3)}


def rotate(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a display matrix (a, b, c, d) into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version 0: the matrix begins 40 bytes in
    a, b, c, d = (v * 0x10000 for v in matrix)
    struct.pack_into(">9i", data, start, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)])
def test_rotation_flags_as_opencv_reads_them(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    corner = np.zeros((48, 64, 3), np.uint8)
    corner[:16, :16] = (250, 30, 30)
    path = write_video(tmp_path / "v.mp4", [corner] * 3, 30)
    rotate(path, matrix)
    capture = cv2.VideoCapture(str(path))
    done, expected = capture.read()
    capture.release()
    assert done
    frame = next(iter(VideoReader(path)))
    assert frame.image.shape == expected.shape
    difference = frame.image[..., ::-1].astype(int) - expected
    assert abs(difference).mean() < 3
    assert abs(np.roll(frame.image, 20, axis=1)[..., ::-1].astype(int) - expected).mean() > 10


def broken(tmp_path: Path) -> dict[str, Path]:
    whole = write_video(tmp_path / "whole.mp4", map(draw, range(90)), 30, codec="libx264")
    data = whole.read_bytes()
    paths = {name: tmp_path / f"{name}.mp4" for name in ("empty", "text", "cut", "folder")}
    paths["empty"].write_bytes(b"")
    paths["text"].write_text("valence,arousal\n0.1,0.2\n")
    paths["cut"].write_bytes(data[: len(data) // 2])
    paths["folder"].mkdir()
    paths["missing"] = tmp_path / "missing.mp4"
    paths["sound"] = tmp_path / "sound.mp4"
    with av.open(str(paths["sound"]), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        silence.sample_rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return paths


@pytest.mark.parametrize("name", ["empty", "text", "cut", "folder", "missing", "sound"])
def test_what_is_not_a_video_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = broken(tmp_path)[name]
    with pytest.raises(VideoError) as caught:
        list(VideoReader(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_damage_is_an_error_or_a_wrong_count(tmp_path: Path, codec: str) -> None:
    """Flipped payload and cut files never pass as a whole video of the annotated length."""
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(60)]
    whole = write_video(tmp_path / "whole.avi", pictures, 30, codec=codec).read_bytes()
    refused = 0
    for trial in range(12):
        data = bytearray(whole)
        if trial < 6:
            data = data[: len(data) * (trial + 3) // 10]
        else:
            start = int(rng.integers(len(data) // 3, len(data) * 2 // 3))
            data[start : start + 400] = rng.integers(0, 255, 400, dtype=np.uint8).tobytes()
        path = tmp_path / f"{trial}.avi"
        path.write_bytes(data)
        reader = VideoReader(path)
        try:
            for _ in reader:
                pass
            check_length(path, reader.decoded, Path("labels.txt"), 60)
        except VideoError as error:
            refused += 1
            assert str(path) in str(error)
        else:
            assert trial >= 6, "a cut file passed"
    assert refused >= 6


def test_a_header_without_a_rate(tmp_path: Path) -> None:
    """0 frames a second in an AVI header: the decoder's time stamps count, or it is refused."""
    path = write_video(tmp_path / "v.avi", map(draw, range(12)), 30)
    overwrite(path, b"avih", 8, 0)
    assert [read_number(f.image) for f in VideoReader(path)] == list(range(12))
    overwrite(path, b"strh", 8 + 24, 0)
    try:
        shown = [read_number(f.image) for f in VideoReader(path)]
    except VideoError as error:
        assert str(path) in str(error)
    else:
        assert set(shown) == set(range(12))


def test_a_header_that_promises_more_frames(tmp_path: Path) -> None:
    """What was decoded is counted: 12, whatever the header says of 98."""
    path = write_video(tmp_path / "v.avi", map(draw, range(12)), 30)
    overwrite(path, b"avih", 8 + 16, 98)
    overwrite(path, b"strh", 8 + 32, 98)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 98
    reader = VideoReader(path)
    assert len(list(reader)) == reader.decoded == 12
    with pytest.raises(VideoError, match="12 frames were decoded, .* 98"):
        check_length(path, reader.decoded, Path("v.txt"), 98)


def test_a_jump_far_ahead_makes_no_thousand_copies(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(1, 30), Fraction(10_000), Fraction(300_001, 30)]
    path = write_video(tmp_path / "v.mkv", map(draw, range(4)), 30, times)
    reader = VideoReader(path)
    assert [read_number(frame.image) for frame in reader] == [0, 1, 2, 3]
    np.testing.assert_allclose(reader.source_times, np.arange(4) / 30, atol=2e-3)
    assert "2 of 4 time stamps" in reader.notes["time-stamps"]


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    """Frames are made when asked for: after five of them the decoder is not far ahead."""
    reader = VideoReader(write_video(tmp_path / "v.mp4", map(draw, range(200)), 30))
    frames = iter(reader)
    for _ in range(5):
        next(frames)
    assert reader.decoded <= 8
