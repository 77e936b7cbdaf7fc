"""Windows of consecutive frames: nothing across a video or a gap, nothing lost (Section IV-C.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaffect.data.batches.sequences import make_windows
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import ConfigError, DatasetError
from tests.data.frame_index import index_of


def frames_of(tracks: list[list[int]], keep: list[bool] | None = None, seed: int = 0) -> FrameIndex:
    """Tracks given by the frame numbers that they have; a random 70 % have a label or a face."""
    track = np.array([t for t, numbers in enumerate(tracks) for _ in numbers], int)
    frame = np.array([n for numbers in tracks for n in numbers], int)
    count = len(track)
    flags = np.random.default_rng(seed).uniform(size=(4, count)) < 0.7
    rows = np.arange(count)
    if keep is not None:
        rows = rows[np.resize(keep, count)] if count else rows
    return index_of(track, frame, *flags, rows=rows)


track_lists = st.lists(st.sets(st.integers(0, 40), max_size=30).map(sorted), min_size=1, max_size=5)


@given(
    tracks=track_lists,
    keep=st.lists(st.booleans(), min_size=1, max_size=7),
    length=st.integers(1, 12),
    select=st.sampled_from(["all", "paper"]),
    borders=st.sampled_from(["video", "legacy"]),
    seed=st.integers(0, 9),
)
def test_windows(
    tracks: list[list[int]], keep: list[bool], length: int, select: str, borders: str, seed: int
) -> None:
    index: Any = frames_of(tracks, keep, seed)
    labelled = (index.va_valid | index.expression_valid | index.au_valid) & index.has_face
    usable = [r for r in index.rows if select == "all" or labelled[r]]
    if len(usable) < (length if borders == "legacy" else 1):
        with pytest.raises(DatasetError, match="no sequence of"):
            make_windows(index, length, borders, select)
        return
    windows = make_windows(index, length, borders, select)
    assert windows.shape[1:] == (length,) and windows.dtype == np.int64
    used = windows[windows >= 0].tolist()
    assert used == usable[: len(used)], "in order, each at most once"
    dropped = len(usable) - len(used)
    if borders == "legacy":
        assert dropped == len(usable) % length
        assert (windows >= 0).all()
        return
    assert dropped == 0
    for number, window in enumerate(windows):
        rows = window[window >= 0]
        assert (window[: len(rows)] == rows).all(), "padding is at the end only"
        assert len(set(index.track[rows])) == 1
        if select == "all":
            assert (np.diff(index.frame[rows]) == 1).all()
        if len(rows) < length and number + 1 < len(windows):
            here, there = rows[-1], windows[number + 1][0]
            goes_on = index.track[there] == index.track[here] and (
                select == "paper" or index.frame[there] == index.frame[here] + 1
            )
            assert not goes_on, "padded although the run goes on"


def test_by_hand() -> None:
    index: Any = frames_of([[0, 1, 2, 3, 4], [0, 1, 5, 6]])
    assert make_windows(index, 3).tolist() == [[0, 1, 2], [3, 4, -1], [5, 6, -1], [7, 8, -1]]
    assert make_windows(index, 4, borders="legacy").tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    index.va_valid[:] = index.expression_valid[:] = index.au_valid[:] = False
    index.va_valid[[0, 2, 4, 8]] = True
    index.has_face[:] = True
    index.has_face[2] = False
    assert make_windows(index, 3, select="paper").tolist() == [[0, 4, -1], [8, -1, -1]]


def test_wrong_settings() -> None:
    index: Any = frames_of([[0, 1]])
    for settings in ({"borders": "none"}, {"select": "some"}, {"length": 0}):
        with pytest.raises(ConfigError):
            make_windows(index, **settings)
