"""Trees that are split anew: no person on both sides, and the layout of the release kept."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from kaffect.cli import main
from kaffect.curation.check import check_tree
from kaffect.curation.split_tree import read_partition, split_tree, write_split
from kaffect.data.tree import DataTree
from kaffect.errors import DatasetError
from tests.data.drawing import HEADERS, LIST_HEADER, list_row, original, put, video, write_labels

SETS = ("train", "validation", "test")


def leaking_tree(root: Path) -> Path:
    """Six people; one is in training and test, one video in the training set of one task only."""
    chance = random.Random(0)
    rows = ["video,subject"]
    for number in range(8):
        name = f"v{number}"
        split = ("Training", "Validation", "Test")[number % 3]
        lines = [f"{chance.uniform(-1, 1):.3f},{chance.uniform(-1, 1):.3f}" for _ in range(50)]
        write_labels(root, "VA", split, name, lines)
        other = "Validation" if number == 0 else split
        write_labels(root, "EXPR", other, name, [str(chance.randrange(7)) for _ in range(50)])
        video(root, f"{name}.mp4")
        put(root, f"boxes/{name}.csv", ["frame,left,top,right,bottom", "1,0,0,9,9"])
        rows.append(f"{name},p{number % 6}")
    write_labels(root, "VA", "Test", "v7_right", ["0,0"] * 50)
    rows.append("v7_right,p9")
    put(root, "subjects.csv", rows)
    put(root, "synthetic.json", ["{}"])
    return root


def test_a_new_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = leaking_tree(tmp_path / "source"), tmp_path / "out"
    with pytest.raises(DatasetError, match="more than one split"):
        DataTree.open(source)
    command = ["data", "split", str(source), "--ratios", "0.5,0.25,0.25", "--seed", "3"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "6 groups of videos that share nobody" in shown
    assert re.search(r"^share of +train 0.5 +validation 0.25 +test 0.25$", shown, re.MULTILINE)
    assert re.search(r"^Happiness +0.619 +0.190 +0.190$", shown, re.MULTILINE)
    assert re.search(r"^videos +4 +2 +2$", shown, re.MULTILINE)
    assert not out.exists()
    assert main([*command, "--out", str(out)]) == 0
    tree = DataTree.open(out)
    assert len(tree.tracks) == 9 and tree.synthetic
    split = {track.name: track.split for track in tree.tracks}
    assert split["v0"] == split["v6"] and split["v1"] == split["v7"] == split["v7_right"]
    assert all(track.boxes is not None for track in tree.tracks if track.name != "v7_right")
    assert read_partition(out / "partition.csv") == split
    assert {a.kind for a in check_tree(out).anomalies} == set()
    assert json.loads((out / "partition.json").read_text())["seed"] == 3
    for track in tree.tracks:
        for task, path in track.annotations.items():
            old = next(source.rglob(f"{path.parents[1].name}/*/{track.name}.txt"))
            assert path.read_bytes() == old.read_bytes(), task
    assert main([*command, "--out", str(out)]) == 2


def test_original_aff_wild_and_lists_keep_their_layout(tmp_path: Path) -> None:
    source = tmp_path / "original"
    for number in range(5):
        original(source, f"{number}", ["0.5", "-0.1"], ["0.25", "-0.5"], "train")
        video(source, f"train/{number}.mp4")
    write_split(split_tree(source, (3, 1, 1)), tmp_path / "out")
    tree = DataTree.open(tmp_path / "out")
    assert [len(tree.split(name)) for name in SETS] == [3, 1, 1]
    assert tree.tracks[0].labels()["va"].values.tolist() == [[0.5, 0.25], [-0.1, -0.5]]

    source = tmp_path / "lists"
    rows = [list_row(f"v{n % 6}", n + 1, n / 100) for n in range(36)]
    put(source, "annotations/training_set_annotations.txt", [LIST_HEADER, *rows])
    more = [list_row(f"w{n % 2}", n + 1, n / 100) for n in range(8)]
    put(source, "annotations/validation_set_annotations.txt", [LIST_HEADER, *more])
    for name in [f"v{n}" for n in range(6)] + ["w0", "w1"]:
        video(source, f"{name}.mp4")
    before = {t.name: t.labels()["va"].values.tolist() for t in DataTree.open(source).tracks}
    write_split(split_tree(source, (2, 1)), tmp_path / "again")
    tree = DataTree.open(tmp_path / "again")
    assert {t.name: t.labels()["va"].values.tolist() for t in tree.tracks} == before
    assert {t.split for t in tree.tracks} == {"train", "validation"}


@pytest.mark.parametrize("ratios", ["1", "0.5,0.5,0.1,0.1", "a,b", "1,0", "1,-1", "nan,1", "inf,1"])
def test_wrong_ratios(tmp_path: Path, ratios: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "split", str(tmp_path), "--ratios", ratios]) == 2
    assert "two or three numbers above 0" in capsys.readouterr().err


def test_too_few_people(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_labels(tmp_path, "VA", "Training", name, ["0,0"])
        video(tmp_path, f"{name}.mp4")
    assert HEADERS["VA"] in (tmp_path / "annotations/VA_Set/Training_Set/a.txt").read_text()
    with pytest.raises(DatasetError, match="2 groups of videos that share nobody cannot fill 3"):
        split_tree(tmp_path, (1, 1, 1))
