"""Time stamps that no player minds: backwards, repeated, missing (Section III-A)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from kaffect.curation.check import check_tree
from kaffect.curation.samples import EVERY_FRAME
from kaffect.data.prepared.examples import parse_images
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.data.video.display_times import DisplayTimes
from kaffect.data.video.resample import VideoReader
from kaffect.errors import VideoError
from tests.data.drawing import draw, original, overwrite, read_number, write_boxes, write_video

PATH = Path("v.avi")


def times(stamps: list[float | None], rate: int | None = 10) -> tuple[list[float], int, float]:
    """In tenths of a second, as the time stamps are."""
    own = [None if s is None else Fraction(s).limit_denominator() / 10 for s in stamps]
    timed = DisplayTimes(PATH, enumerate(own), lambda: None if rate is None else Fraction(rate))
    found = list(timed)
    assert [frame for frame, _ in found] == list(range(len(stamps)))
    return [float(t * 10) for _, t in found], timed.rebuilt, round(timed.farthest * 10, 6)


@pytest.mark.parametrize(
    "stamps,expected,rebuilt,farthest",
    [
        ([0, 1, 2, 5, 6.5], [0, 1, 2, 5, 6.5], 0, 0),
        ([7, 8, 9], [7, 8, 9], 0, 0),
        ([1, 3, 4, 2, 6, 7, 5], [1, 2, 3, 4, 5, 6, 7], 6, 2),
        ([0, 1, 1, 3, 4], [0, 1, 2, 3, 4], 1, 1),
        ([0, 1, None, None, 4], [0, 1, 2, 3, 4], 2, 0),
        ([None] * 4, [0, 1, 2, 3], 4, 0),
        ([5, 5, 5, 5], [5, 6, 7, 8], 3, 3),
        ([*range(20), 12, 21], [*range(22)], 1, 8),
        ([*range(20), 0, 1, 2], [*range(23)], 3, 20),
        ([None], [0], 1, 0),
        # More than a minute, 600 tenths of a second, ahead: for good, and once.
        ([0, 1, 2, 5003, 5004, 5006], [0, 1, 2, 3, 4, 6], 3, 5000),
        ([0, 1, 2, 5003, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6], 1, 5000),
    ],
)
def test_rebuilt(
    stamps: list[float | None], expected: list[float], rebuilt: int, farthest: float
) -> None:
    assert times(stamps) == (expected, rebuilt, farthest)


def test_without_a_rate_the_time_stamps_give_it() -> None:
    assert times([2, 6, 4, 8], rate=None)[0] == [2, 4, 6, 8]
    with pytest.raises(VideoError, match="v.avi: cannot be timed"):
        times([None, None], rate=None)
    assert times([None], rate=None)[0] == [0]


def test_an_error_waits_for_the_frames_before_it() -> None:
    def frames() -> Iterator[tuple[int, Fraction]]:
        yield from ((n, Fraction(n)) for n in range(5))
        raise VideoError("damaged")

    seen = []
    with pytest.raises(VideoError, match="damaged"):
        for frame, _ in DisplayTimes(PATH, frames(), lambda: Fraction(1)):
            seen.append(frame)
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("codec,backwards", [("mpeg4", False), ("libx264", True)])
def test_avi_with_frames_out_of_order(tmp_path: Path, codec: str, backwards: bool) -> None:
    path = write_video(tmp_path / "v.avi", map(draw, range(40)), 25, codec=codec, reordered=2)
    reader = VideoReader(path, EVERY_FRAME)
    shown = {frame.source: read_number(frame.image) for frame in reader}
    assert shown == {n + 1: n for n in range(40)}
    np.testing.assert_allclose(reader.source_times, np.arange(40) / 25, atol=1e-9)
    assert list(reader.notes) == (["time-stamps"] if backwards else [])
    if backwards:
        assert "of 40 time stamps" in reader.notes["time-stamps"]
        assert reader.notes["time-stamps"].endswith("by up to 0.080 s")


def test_original_aff_wild_is_avi_and_mp4(tmp_path: Path) -> None:
    """H.264 in AVI, MPEG-4 in AVI and H.264 in MP4: each label with the frame that it is of."""
    root = tmp_path / "tree"
    (root / "boxes").mkdir(parents=True)
    for name, codec in (("1.avi", "libx264"), ("2.avi", "mpeg4"), ("3.mp4", "libx264")):
        path = root / "videos/train" / name
        write_video(path, map(draw, range(30)), 30, codec=codec, reordered=2)
        write_boxes(root, name[0], range(30))
        original(root, name[0], [f"{n / 100}" for n in range(30)], ["0.5"] * 30, "train")
    overwrite(root / "videos/train/2.avi", b"strh", 8 + 32, 60)
    data = PreparedData.open(
        prepare_tree(root, tmp_path / "out", detector="none", encoding="png", progress=False)
    )
    index = data.split("train")
    assert len(index) == 90 and index.va_valid.all()
    images = parse_images(index.reader.read(index.rows), "png", 96).numpy()
    painted = [read_number(image) for image in images]
    assert painted == np.round(index.valence_arousal[:, 0] * 100).astype(int).tolist()
    assert [note.split(":")[0] for note in data.notes] == ["1.avi", "2.avi"]
    assert data.notes[1].endswith("its header claims 60 frames, 30 can be decoded")
    found = check_tree(root, decode=True).anomalies
    assert {(a.kind, a.file) for a in found} == {
        ("time-stamps", "videos/train/1.avi"), ("frame-count", "videos/train/2.avi"),
    }  # fmt: skip
