"""Only media containers are opened, of a bounded size: a play list reads no other file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaffect.curation.statistics import video_facts
from kaffect.data.video import media
from kaffect.data.video.resample import VideoReader
from kaffect.errors import VideoError
from kaffect.faces.tracker import FaceTracker
from kaffect.serving.predict.sources import Source, read_picture
from tests.data.drawing import draw, write_video

PLAY_LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile other.mp4\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("kind", PLAY_LISTS)
def test_a_play_list_opens_no_other_file(tmp_path: Path, kind: str) -> None:
    write_video(tmp_path / "other.mp4", map(draw, range(5)), 30)
    path = tmp_path / "video.mp4"
    path.write_text(PLAY_LISTS[kind])
    with pytest.raises(VideoError, match="video.mp4: cannot be read as a video"):
        list(VideoReader(path))
    assert video_facts(path).size is None
    assert Source("v", str(path), "video").expected_frames() is None
    (tmp_path / "picture.png").write_text(PLAY_LISTS[kind])
    with pytest.raises(VideoError, match="cannot be (read|decoded) as a picture"):
        read_picture(tmp_path / "picture.png")


def test_a_name_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "other.mp4", map(draw, range(5)), 30)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VideoError, match="cannot be read"):
        list(VideoReader("concat:other.mp4"))
    assert len(list(VideoReader("other.mp4"))) == 5


def test_large_frames_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "v.mp4", map(draw, range(3)), 30, codec="libx264")
    size = video_facts(path).size
    assert size is not None
    monkeypatch.setattr(media, "MOST_PIXELS", size[0] * size[1])
    assert len(list(VideoReader(path))) == 3
    # One pixel too many, by the header and by the decoder alone.
    monkeypatch.setattr(media.check_pixels, "__defaults__", (size[0] * size[1] - 1,))
    with pytest.raises(VideoError, match="v.mp4: Size of a picture. Expected at most"):
        list(VideoReader(path))
    monkeypatch.setattr(media, "MOST_PIXELS", size[0] * size[1] // 2)
    monkeypatch.setattr(media, "check_pixels", lambda *_: None)
    with pytest.raises(VideoError, match="v.mp4"):
        list(VideoReader(path))


class _Counting:
    """A detector that finds nothing and notes how many frames it is given together."""

    name, batch = "counting", 8

    def __init__(self) -> None:
        self.calls: list[int] = []

    def detect(self, frames: list[np.ndarray]) -> list[list]:
        self.calls.append(len(frames))
        return [[] for _ in frames]


@pytest.mark.parametrize(("fits", "together"), [(1000, 8), (3, 3), (0, 1)])
def test_fewer_large_frames_go_to_the_detector_together(
    monkeypatch: pytest.MonkeyPatch, fits: int, together: int
) -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    detector = _Counting()
    tracker = FaceTracker(detector)  # type: ignore[arg-type]
    step = tracker.config.detect_every
    monkeypatch.setattr("kaffect.faces.tracker.MOST_WAITING_BYTES", fits * step * frame.nbytes)
    assert len(list(tracker.run([frame] * (8 * step)))) == 8 * step
    assert max(detector.calls) == together
