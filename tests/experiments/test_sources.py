"""What a table takes of a user's tree, and what it says it left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.plans import TreeOptions
from experiments.profiles import PROFILES
from experiments.run import parser
from experiments.sources import open_source
from kaffect.errors import VideoError
from tests.data.drawing import draw, write_boxes, write_labels, write_video

SMOKE = PROFILES["smoke"]


def small_tree(root: Path) -> Path:
    """Two videos of 12 frames with boxes, so that no detector is asked."""
    (root / "boxes").mkdir(parents=True)
    for name, split in (("a", "Training"), ("b", "Validation")):
        write_video(root / f"videos/{name}.mp4", map(draw, range(12)))
        write_labels(root, "VA", split, name, [f"{n / 20},0.5" for n in range(12)])
        write_boxes(root, name, range(12))
    return root


def test_a_bad_video_can_be_left_out_and_is_named(tmp_path: Path) -> None:
    root = small_tree(tmp_path / "tree")
    write_labels(root, "VA", "Training", "c", ["0,0"] * 30)
    write_video(root / "videos/c.mp4", map(draw, range(12)))
    write_boxes(root, "c", range(12))
    with pytest.raises(VideoError, match=r"c\.mp4: does not fit .* 12 .* 30.*--keep-going"):
        open_source(root, SMOKE, "all")
    options = TreeOptions.of(parser().parse_args(["--table", "XI", "--keep-going"]))
    source = open_source(root, SMOKE, "all", options=options)
    assert len(source.split("train")) == 12
    (note,) = [text for text in source.notes if text.startswith("left out: c.mp4: ")]
    assert "12 frames were decoded" in note and str(root) not in note
    words = ["--table", "XI", "--length-tolerance", "18"]
    source = open_source(root, SMOKE, "all", options=TreeOptions.of(parser().parse_args(words)))
    assert source.split("train").tracks == ("a", "c")
    assert not [text for text in source.notes if text.startswith("left out")]
