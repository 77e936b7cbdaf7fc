"""Videos with damaged frames: what decodes is used, and each label stays with its frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaffect.cli import main
from kaffect.curation.samples import EVERY_FRAME
from kaffect.data.prepared.examples import parse_images
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.data.video.damage import in_ranges
from kaffect.data.video.resample import VideoReader
from kaffect.errors import VideoError
from kaffect.serving.predict.sources import Source
from tests.data.drawing import damaged, read_number, write_boxes, write_labels

FRAMES = 40  # of a video from `damaged`


def shown(reader: VideoReader) -> dict[int, int]:
    """Number of the source frame -> number that its picture shows, from 1."""
    return {frame.source: read_number(frame.image) + 1 for frame in reader}


@pytest.mark.parametrize("suffix", [".avi", ".mov"])
def test_the_annotation_says_how_frames_are_numbered(tmp_path: Path, suffix: str) -> None:
    """Motion JPEG: each frame stands alone, so that all others are as they were."""
    lost = [1, 11, 12, 13, 21, 40]
    path = damaged(tmp_path / f"v{suffix}", [n - 1 for n in lost], "mjpeg")
    rest = [n for n in range(1, FRAMES + 1) if n not in lost]
    note = "6 of 40 frames cannot be decoded and are left out: "
    # As many lines as there were frames: it was annotated before it was damaged.
    for lines in (FRAMES, FRAMES - 1):
        reader = VideoReader(path, EVERY_FRAME, lines=lines)
        assert shown(reader) == {n: n for n in rest}
        assert reader.decoded == FRAMES and reader.without_picture == lost
        assert reader.notes["damaged-frames"] == note + "frame 1, 11 to 13, 21, 40"
        np.testing.assert_allclose(reader.source_times, np.arange(FRAMES) / 30, atol=2e-3)
    # As many as decode, or none: those are counted, at the times at which they are shown.
    for lines in (FRAMES - len(lost), None):
        reader = VideoReader(path, EVERY_FRAME, lines=lines)
        assert shown(reader) == {i + 1: n for i, n in enumerate(rest)}
        assert reader.decoded == len(rest) and not reader.without_picture
        expected = [(n - rest[0]) / 30 for n in rest]
        np.testing.assert_allclose(reader.source_times, expected, atol=2e-3)
        assert reader.notes["damaged-frames"] == note + "before frame 1, 10, 17, 35"


@pytest.mark.parametrize("codec, reordered", [("mpeg4", 2), ("libx264", 0), ("libx264", 2)])
def test_frames_that_depend_on_a_damaged_one(tmp_path: Path, codec: str, reordered: int) -> None:
    """Decoders leave them out in silence; those before the damage are right."""
    path = damaged(tmp_path / "v.mp4", [20, 21], codec, reordered)
    reader = VideoReader(path, EVERY_FRAME, lines=FRAMES)
    found = shown(reader)
    assert reader.decoded == FRAMES and reader.without_picture
    assert all(found[n] == n for n in range(1, 17))
    assert set(found) == set(range(1, FRAMES + 1)) - set(reader.without_picture)
    assert list(reader.notes) == ["damaged-frames"]


def test_one_lost_frame_shifts_no_label(tmp_path: Path) -> None:
    """Also where both counts are within the tolerated difference of lengths."""
    path = damaged(tmp_path / "v.avi", [9], "mjpeg")
    after = {lines: VideoReader(path, EVERY_FRAME, lines=lines) for lines in (39, 40, 41)}
    assert {lines: shown(reader)[39] for lines, reader in after.items()} == {39: 40, 40: 39, 41: 39}


def test_behind_a_damaged_key_frame(tmp_path: Path) -> None:
    path = damaged(tmp_path / "v.mp4", [0], "libx264")
    reader = VideoReader(path, EVERY_FRAME, lines=FRAMES)
    found = shown(reader)
    first = min(found)
    assert first > 10 and found == {n: n for n in range(first, FRAMES + 1)}
    assert reader.without_picture == list(range(1, first))
    assert f"frame 1 to {first - 1}" in reader.notes["damaged-frames"]


def test_a_video_of_which_nothing_decodes_is_refused(tmp_path: Path) -> None:
    path = damaged(tmp_path / "v.mov", range(FRAMES), "mjpeg")
    with pytest.raises(VideoError, match="v.mov: no frame could be decoded: "):
        list(VideoReader(path))


def test_prepared_frames_have_their_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The annotation is of the sound video; labels of lost frames are in no row and no score."""
    root, lost = tmp_path / "tree", [6, 7, 30]
    (root / "boxes").mkdir(parents=True)
    damaged(root / "videos/a.avi", [n - 1 for n in lost], "mjpeg")
    write_boxes(root, "a", range(FRAMES))
    write_labels(root, "VA", "Training", "a", [f"{n / 100},0" for n in range(1, FRAMES + 1)])
    path = prepare_tree(root, tmp_path / "out", detector="none", encoding="png", progress=False)
    index = PreparedData.open(path).split("train")
    images = parse_images(index.reader.read(index.rows), "png", 96).numpy()
    numbers = [read_number(image) + 1 for image in images]
    rest = [n for n in range(1, FRAMES + 1) if n not in lost]
    assert sorted(set(numbers)) == rest
    labels = np.rint(index.valence_arousal[:, 0] * 100).astype(int).tolist()
    assert labels == index.source_frame.tolist() == numbers
    scoring = index.scoring()
    assert np.rint(scoring.valence_arousal[:, 0] * 100).astype(int).tolist() == rest
    (note,) = PreparedData.open(path).notes
    assert note.startswith("a.avi: 3 of 40 frames cannot be decoded and are left out: frame 6 to 7")
    assert main(["data", "check", str(root), "--decode"]) == 1
    told = capsys.readouterr().out
    assert "damaged-frames" in told and "frame 6 to 7, 30" in told and "video-length" not in told


def test_predictions_leave_them_out(tmp_path: Path) -> None:
    path = damaged(tmp_path / "v.avi", [4, 5, 6], "mjpeg")
    rows = [row for f in Source("v", str(path), "video").frames(30) for row in f.stands_for]
    assert [number for number, _ in rows] == list(range(1, FRAMES - 2))
    times = [n / 30 for n in range(FRAMES) if n not in (4, 5, 6)]
    np.testing.assert_allclose([time for _, time in rows], times, atol=2e-3)


def test_places_in_words() -> None:
    assert in_ranges([3]) == "3" and in_ranges([2, 3, 3, 4, 8]) == "2 to 4, 8"
    assert in_ranges(range(1, 30, 2), most=2) == "1, 3 and 13 more places"
