"""A frame index of arrays: no pictures, no files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from kaffect.data.prepared.records import FrameIndex


def index_of(
    track: np.ndarray,
    frame: np.ndarray,
    va_valid: np.ndarray,
    expression_valid: np.ndarray,
    au_valid: np.ndarray,
    has_face: np.ndarray,
    *,
    action_units: np.ndarray | None = None,
    rows: np.ndarray | None = None,
    tasks: Sequence[Sequence[str]] = (),
) -> FrameIndex:
    """Frames without pictures, each of them annotated: arrays of n, `tasks` of each track."""
    count = len(track)
    numbers = np.arange(count)
    columns: dict[str, Any] = {
        "valence_arousal": np.zeros((count, 2), np.float32),
        "va_valid": va_valid,
        "expression": np.zeros(count, np.int32),
        "expression_valid": expression_valid,
        "action_units": np.zeros((count, 8), np.int8) if action_units is None else action_units,
        "au_valid": au_valid,
        "row": numbers,
        "track": track,
        "source_frame": frame,
        "time": frame / np.float32(30),
    }
    described = {"tracks": [{"tasks": list(t)} for t in tasks], "scored_frames": count}
    data: Any = SimpleNamespace(
        root=Path("data"),
        manifest={"splits": {"train": described}},
        load_column=lambda kind, split, name, length: columns[name],
    )
    zeros = np.zeros(count, np.int32)
    return FrameIndex(
        **{name: values for name, values in columns.items() if name != "row"},
        data=data,
        name="train",
        rows=numbers if rows is None else rows,
        tracks=tuple(f"track {number}" for number in range(len(tasks))),
        frame=frame,
        has_face=has_face,
        shard=zeros,
        offset=zeros,
        length=zeros,
    )
