"""Trees in the layout of every release, and: label line i belongs to frame i + 1 (Section II)."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from kaffect.data.discovery import find_label_files
from kaffect.data.prepared.examples import parse_images
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.data.track_labels import read_track_labels
from kaffect.data.tree import DataTree
from kaffect.errors import AnnotationError, DatasetError
from tests.data.drawing import (
    HEIGHT,
    LIST_HEADER,
    WIDTH,
    draw,
    list_row,
    original,
    put,
    read_number,
    video,
    write_labels,
    write_video,
)


def test_original_aff_wild(tmp_path: Path) -> None:
    original(tmp_path, "105", ["0.5", "-0.1", "-5"], ["0.25", "-5", "0"], "train")
    original(tmp_path, "204", ["1"], ["-1"], "test")
    video(tmp_path, "train/105.mp4")
    video(tmp_path, "test/204.avi")
    tree = DataTree.open(tmp_path)
    assert [(t.name, t.split, t.tasks) for t in tree.tracks] == [
        ("105", "train", ("va",)),
        ("204", "test", ("va",)),
    ]
    labels = tree.tracks[0].labels()["va"]
    assert labels.columns == ("valence", "arousal")
    assert labels.valid.tolist() == [True, False, False]
    assert labels.values.tolist() == [[0.5, 0.25], [-5, -5], [-5, -5]]
    assert len(tree.files) == 6


def test_original_aff_wild_needs_both_files_of_one_length(tmp_path: Path) -> None:
    video(tmp_path, "105.mp4")
    original(tmp_path, "105", ["0", "0"], ["0"], "train")
    with pytest.raises(AnnotationError, match="lines for 2 frames") as caught:
        DataTree.open(tmp_path).tracks[0].labels()
    assert (caught.value.path.parent.name, caught.value.line) == ("arousal", 1)
    (tmp_path / "annotations/train/arousal/105.txt").unlink()
    with pytest.raises(DatasetError, match="'105' has valence. Expected one file for val"):
        DataTree.open(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("annotations/training_set_annotations.txt", "annotations/validation_set_annotations.txt"),
        ("MTL_Challenge/train_set.txt", "MTL_Challenge/validation_set.txt"),
        ("3rd ABAW Annotations/MTL_Challenge/train_set.txt", "validation_set_annotations.txt"),
    ],
)
def test_multi_task_lists(tmp_path: Path, names: tuple[str, str]) -> None:
    """Unordered, repeated, with gaps; a track without any label is no track."""
    train = [
        list_row("b", 4, 0.4),
        list_row("a_left", 2, 0.2, expression=7),
        list_row("b", 1, 0.1),
        list_row("b", 4, 0.4),
        "b/00003.jpg,-5,-5,2" + ",-1" * 12,
        "nobody/00001.jpg,-5,-5,-1" + ",-1" * 12,
    ]
    put(tmp_path, names[0], [LIST_HEADER, *train])
    put(tmp_path, names[1], [LIST_HEADER, list_row("c", 1, 0.9)])
    for name in ("a", "b", "c"):
        video(tmp_path, f"{name}.mp4")
    tree = DataTree.open(tmp_path)
    assert [(t.name, t.split, t.video.name) for t in tree.tracks] == [
        ("a_left", "train", "a.mp4"),
        ("b", "train", "b.mp4"),
        ("c", "validation", "c.mp4"),
    ]
    assert tree.tracks[1].tasks == ("va", "expression", "au")
    labels = tree.tracks[1].labels()
    assert labels["va"].values[:, 0].tolist() == [0.1, -5, -5, 0.4]
    assert labels["va"].valid.tolist() == [True, False, False, True]
    assert labels["expression"].values[:, 0].tolist() == [1, -1, 2, 1]
    assert labels["au"].valid.tolist() == [True, False, False, True]
    assert all(annotation.partial for annotation in labels.values())


def test_lists_beside_files_of_single_tasks_are_told_and_not_used(tmp_path: Path) -> None:
    put(tmp_path, "MTL_Challenge/train_set.txt", [LIST_HEADER, list_row("a", 1, 0.5)])
    write_labels(tmp_path, "VA", "Training", "a", ["0.25,0"])
    video(tmp_path, "a.mp4")
    tree = DataTree.open(tmp_path)
    assert tree.tracks[0].labels()["va"].values.tolist() == [[0.25, 0]]
    assert any("train_set.txt" in note and "not used" in note for note in tree.missing)


def test_a_test_list_without_labels_is_no_annotation(tmp_path: Path) -> None:
    write_labels(tmp_path, "VA", "Training", "a", ["0,0"])
    put(tmp_path, "annotations/MTL_Challenge_test_set_release.txt", ["image", "v/00001.jpg"])
    assert [f.task for f in find_label_files(tmp_path)] == ["va"]


FRAMES = 24


def shifted_tree(root: Path, layout: str, shift: int) -> Path:
    """Frame n (0-based) shows n; its valence is n / 100, planted `shift` too late."""
    write_video(root / "videos" / "v.mp4", map(draw, range(FRAMES)))
    boxes = [f"{n + 1},0,0,{WIDTH},{HEIGHT}" for n in range(FRAMES)]
    put(root, "boxes/v.csv", ["frame,left,top,right,bottom", *boxes])
    values = [(n - shift) / 100 for n in range(FRAMES)]
    if layout == "original":
        original(root, "v", [f"{v}" for v in values], ["0.5"] * FRAMES, "train")
    elif layout == "abaw":
        write_labels(root, "VA", "Training", "v", (f"{v},0.5" for v in values))
    else:
        rows = [list_row("v", n + 1, v) for n, v in enumerate(values)]
        random.Random(0).shuffle(rows)
        put(root, "annotations/training_set_annotations.txt", [LIST_HEADER, *rows, rows[0]])
    return root


def measured_shift(root: Path, out: Path) -> set[int]:
    """By how many frames the label of each prepared picture is off the number that it shows."""
    prepare_tree(root, out, encoding="png", detector="none", progress=False)
    index = PreparedData.open(out).split("train")
    images = parse_images(index.reader.read(index.rows), "png", 96).numpy()
    shown = [read_number(image) for image in images]
    labels = np.round(index.valence_arousal[:, 0] * 100).astype(int)
    assert shown == list(range(FRAMES)) and index.va_valid.all()
    return set((np.array(shown) - labels).tolist())


@pytest.mark.parametrize("layout", ["original", "abaw", "list"])
def test_line_i_belongs_to_frame_i_plus_1(tmp_path: Path, layout: str) -> None:
    assert measured_shift(shifted_tree(tmp_path / "tree", layout, 0), tmp_path / "out") == {0}


@pytest.mark.parametrize("layout,shift", [("original", 1), ("abaw", -1), ("list", 3)])
def test_a_planted_shift_is_seen(tmp_path: Path, layout: str, shift: int) -> None:
    found = measured_shift(shifted_tree(tmp_path / "tree", layout, shift), tmp_path / "out")
    assert found == {shift}


def test_a_list_may_name_few_frames_of_a_long_video(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "v.mp4", map(draw, range(FRAMES)))
    rows = [list_row("v", 9, 0.09), list_row("v", 3, 0.03)]
    path = put(tmp_path, "annotations/training_set_annotations.txt", [LIST_HEADER, *rows])
    out = prepare_tree(tmp_path, tmp_path / "out", encoding="png", detector="none", progress=False)
    index = PreparedData.open(out).split("train")
    assert np.flatnonzero(index.va_valid).tolist() == [2, 8]
    assert index.valence_arousal[[2, 8], 0].tolist() == pytest.approx([0.03, 0.09])
    assert len(index) == FRAMES, "frames behind the last row are there, without a label"
    scoring = index.scoring()
    assert scoring.source_frame.tolist() == [3, 9]
    put(tmp_path, path.relative_to(tmp_path).as_posix(), [LIST_HEADER, list_row("v", 40, 0)])
    with pytest.raises(AnnotationError, match="frame 40 of 'v', but .* at most 24") as caught:
        prepare_tree(tmp_path, tmp_path / "again", detector="none", progress=False)
    assert caught.value.line == 2


@pytest.mark.parametrize("where", ["task", "split", "valence", "mtl", "list", "annotations"])
def test_folders_that_lead_out_are_refused(tmp_path: Path, where: str) -> None:
    root, outside = tmp_path / "tree", tmp_path / "tree-evil"
    (root / "annotations").mkdir(parents=True)
    put(outside, "Training_Set/a.txt", ["valence,arousal", "0,0"])
    put(outside, "valence/a.txt", ["0"])
    put(outside, "training_set.txt", [LIST_HEADER])
    place, target = {
        "task": ("annotations/VA_Set", "."),
        "split": ("annotations/VA_Set/Training_Set", "Training_Set"),
        "valence": ("annotations/train/valence", "valence"),
        "mtl": ("MTL_Challenge", "."),
        "list": ("annotations/training_set.txt", "training_set.txt"),
        "annotations": ("evil annotations", "."),
    }[where]
    link = root / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / target)
    with pytest.raises(DatasetError, match="leaves the folder"):
        DataTree.open(root)


def test_read_track_labels_of_single_files(tmp_path: Path) -> None:
    va = write_labels(tmp_path, "VA", "Training", "a", ["0,0", "-5,-5"])
    classes = write_labels(tmp_path, "EXPR", "Training", "a", ["3", "-1"])
    found = read_track_labels("a", {"va": va, "expression": classes})
    assert list(found) == ["va", "expression"]
    assert found["expression"].valid.tolist() == [True, False]
