"""Videos written at 30 frames a second (Section III-A): every frame, any size, the same bytes."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from kaffect.data.video.mp4 import Mp4Writer
from kaffect.data.video.resample import VideoReader
from tests.data.drawing import draw, read_number


@pytest.mark.parametrize("width,height", [(64, 48), (67, 45)])
def test_every_frame_comes_back(tmp_path: Path, width: int, height: int) -> None:
    with Mp4Writer(tmp_path / "v.mp4", 30) as writer:
        for number in range(40):
            writer.add(draw(number, width, height))
    assert writer.frames == 40
    frames = list(VideoReader(tmp_path / "v.mp4"))
    assert [read_number(f.image) for f in frames] == list(range(40))
    assert frames[0].image.shape == (height // 2 * 2, width // 2 * 2, 3)
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate, stream.frames) == ("h264", 30, 40)


def test_the_same_bytes_also_into_an_open_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(20)]
    with open(tmp_path / "b.mp4", "wb") as handle:
        for target in (tmp_path / "a.mp4", handle, tmp_path / "c.mp4"):
            with Mp4Writer(target, 30) as writer:
                for image in images:
                    writer.add(image)
    first, second, third = ((tmp_path / f"{n}.mp4").read_bytes() for n in "abc")
    assert first == second == third and len(first) > 1000


def test_a_frame_of_another_size_is_fitted(tmp_path: Path) -> None:
    with Mp4Writer(tmp_path / "v.mp4", 30) as writer:
        writer.add(draw(5))
        writer.add(draw(9, 128, 96))
    assert [read_number(f.image) for f in VideoReader(tmp_path / "v.mp4")] == [5, 9]


class Full(io.BytesIO):
    """A file on a disk with so many bytes of room."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_full_disk_is_told_as_such(share: float) -> None:
    """At the first frame, in the midst of them, and when the end is written."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (96, 128, 3), dtype=np.uint8) for _ in range(24)]
    whole = Full(10_000_000)
    with Mp4Writer(whole, 30, "ultrafast") as writer:
        for image in images:
            writer.add(image)
    room = int(share * len(whole.getvalue()))
    with pytest.raises(OSError) as caught, Mp4Writer(Full(room), 30, "ultrafast") as writer:
        for image in images:
            writer.add(image)
    assert caught.value.errno == errno.ENOSPC
    assert (writer.frames < 24) == (share < 0.9)
