"""A few frames more or less stop no data set; the frames of a list are bounded by the video."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from kaffect.curation.check import check_tree
from kaffect.data.tree import DataTree
from kaffect.data.video.lengths import check_length, most_frames, tolerated
from kaffect.errors import AnnotationError, VideoError
from tests.data.drawing import LIST_HEADER, draw, list_row, overwrite, put, write_video

VIDEO, LABELS = Path("videos/a.mp4"), Path("annotations/a.txt")


def test_what_is_tolerated() -> None:
    """The larger of 3 frames and 0.5 %, or what is asked for."""
    assert [tolerated(n) for n in (0, 100, 600, 800, 1000, 10_000)] == [3, 3, 3, 4, 5, 50]
    assert [tolerated(1000, setting) for setting in (0, 1, 40)] == [0, 1, 40]


def test_lengths_are_compared_with_both_counts_named() -> None:
    for decoded, lines in ((100, 103), (103, 100), (995, 1000), (1005, 1000)):
        check_length(VIDEO, decoded, LABELS, lines)
    check_length(VIDEO, 100, LABELS, 107, 7)
    for decoded, lines, setting in ((96, 100, None), (994, 1000, None), (99, 100, 0)):
        with pytest.raises(VideoError, match="--keep-going leaves the video out") as caught:
            check_length(VIDEO, decoded, LABELS, lines, setting)
        assert f"{VIDEO}: does not fit {LABELS}: {decoded} frames" in str(caught.value)
        assert f"has lines for {lines}." in str(caught.value)


def test_most_frames_of_a_file(tmp_path: Path) -> None:
    """A header that promises enough is believed, one that promises too little is not."""
    path = write_video(tmp_path / "v.avi", map(draw, range(12)))
    assert most_frames(path, 12) == most_frames(path, 999_999_999) == 12
    overwrite(path, b"strh", 8 + 32, 5)
    assert most_frames(path, 12) == 12
    (tmp_path / "none.mp4").write_bytes(b"no video")
    assert most_frames(tmp_path / "none.mp4", 99) == 10_000_000


def test_a_row_far_behind_the_end_is_told_by_its_line(tmp_path: Path) -> None:
    """Nothing is allocated for the frames that it would need."""
    write_video(tmp_path / "videos/v.mp4", map(draw, range(24)))
    rows = [list_row("v", 2, 0.5), list_row("v", 999_999_999, 0.5), list_row("v", 28, 0.5)]
    put(tmp_path, "annotations/training_set_annotations.txt", [LIST_HEADER, *rows])
    tracemalloc.start()
    with pytest.raises(AnnotationError, match="frame 28 of 'v', but .* at most 24") as caught:
        DataTree.open(tmp_path).tracks[0].labels()
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert caught.value.line == 4
    found = check_tree(tmp_path).anomalies
    assert [(a.kind, a.line) for a in found] == [("past-end", 4)]
    put(tmp_path, "annotations/training_set_annotations.txt", [LIST_HEADER, *rows[:2]])
    with pytest.raises(AnnotationError, match="frame 999999999 of 'v'") as caught:
        DataTree.open(tmp_path).tracks[0].labels()
    assert caught.value.line == 3
    rows[1] = list_row("v", 27, 0.5)
    put(tmp_path, "annotations/training_set_annotations.txt", [LIST_HEADER, *rows[:2]])
    assert len(DataTree.open(tmp_path).tracks[0].labels()["va"]) == 27
