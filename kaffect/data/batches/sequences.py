"""Sequences of 80 consecutive frames (paper Section IV-C.2: "each having 80 consecutive frames").

Not in the paper: what happens at the end of a video. Here a sequence never leaves its
video, and the last one is padded; the authors' way is there as `borders='legacy'`.
"""

from __future__ import annotations

import numpy as np

from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import ConfigError, DatasetError, expected_received

BORDERS = ("video", "legacy")
SELECTIONS = ("all", "paper")
PADDING = -1


def make_windows(
    index: FrameIndex,
    length: int = 80,
    borders: str = "video",
    select: str = "all",
    seed: int = 0,
) -> np.ndarray:
    """Cut the rows that count in `index` into windows that do not overlap.

    Args:
        length: frames in a window.
        borders: 'video': no window crosses a track or a gap; the last one of each run of
            consecutive frames is padded, so that every row is in exactly one window.
            'legacy': windows in the order of the list, across tracks if it comes so, and
            the remainder of less than `length` rows is dropped, as the authors' released
            code does.
        select: 'all' keeps frames without label, to be masked; 'paper' keeps the faces
            that Section II-D does (`FrameIndex.kept_rows`: those with the label of the
            part's own task), and "consecutive" then means consecutive among the kept.
        seed: of the choice that 'paper' makes among frames without an active Action Unit.

    Returns:
        [windows, length] int64 row numbers, -1 where padded.

    Raises:
        ConfigError: a setting that is not accepted.
        DatasetError: there is no window.
    """
    if borders not in BORDERS:
        raise ConfigError(expected_received("borders", BORDERS, borders))
    if length < 1:
        raise ConfigError(expected_received("length", "1 or more", length))
    rows = usable_rows(index, select, seed)
    if borders == "legacy":
        windows = rows[: len(rows) // length * length].reshape(-1, length)
    else:
        windows = _padded(rows, _starts(index, rows, gaps=select == "all"), length)
    if not len(windows):
        raise DatasetError(
            f"{index.data.root}: no sequence of {length} frames in split {index.name!r}: it has "
            f"{len(rows)} usable frames of {len(index)}"
        )
    return windows


def usable_rows(index: FrameIndex, select: str, seed: int = 0) -> np.ndarray:
    """[k] int64: the rows that windows are made of; see `make_windows`."""
    if select not in SELECTIONS:
        raise ConfigError(expected_received("select", SELECTIONS, select))
    return index.rows if select == "all" else index.kept_rows(seed)


def _starts(index: FrameIndex, rows: np.ndarray, gaps: bool) -> np.ndarray:
    """Positions in `rows` at which a new run begins: another track, or a gap in the frames."""
    track, frame = index.track[rows], index.frame[rows]
    new = np.ones(len(rows), bool)
    new[1:] = track[1:] != track[:-1]
    if gaps:
        new[1:] |= frame[1:] != frame[:-1] + 1
    return np.flatnonzero(new)


def _padded(rows: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    sizes = np.diff(np.append(starts, len(rows)))
    counts = -(-sizes // length)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
    windows = np.full((int(counts.sum()), length), PADDING, np.int64)
    place = np.arange(len(rows)) - np.repeat(starts, sizes)  # within the run
    windows[np.repeat(first, sizes) + place // length, place % length] = rows
    return windows
