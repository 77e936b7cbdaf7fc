"""`kaffect data check`: every anomaly of the written list is planted once and found."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kaffect.cli import main
from kaffect.curation.anomalies import KINDS, Findings, printable
from kaffect.curation.check import check_tree
from kaffect.curation.experts import read_experts
from kaffect.curation.split_tree import read_partition, split_tree
from kaffect.data.tree import DataTree
from kaffect.errors import AnnotationError, DatasetError
from kaffect.labels import EXPRESSIONS_8
from tests.data.drawing import (
    HEADERS,
    LIST_HEADER,
    damaged,
    draw,
    overwrite,
    put,
    write_labels,
    write_video,
)
from tests.data.mutation import mutate

ROOT = Path(__file__).parents[2]
FRAMES = 120
VA_A = "annotations/VA_Set/Training_Set/a.txt"


def va_lines(seed: int, frames: int = FRAMES) -> list[str]:
    values = np.random.default_rng(seed).uniform(-1, 1, (frames, 2)).round(3)
    return [f"{v},{a}" for v, a in values.tolist()]


def sound_tree(root: Path) -> Path:
    """Three tracks of different people in three splits, and two people in one video."""
    rows = ["video,subject"]
    for seed, (name, split) in enumerate(
        [("a", "Training"), ("b", "Validation"), ("c", "Test"), ("d_left", "Training")]
    ):
        chance = random.Random(seed)
        write_labels(root, "VA", split, name, va_lines(seed))
        classes = [str(chance.randrange(-1, 7)) for _ in range(FRAMES)]
        write_labels(root, "EXPR", split, name, classes)
        units = [",".join(str(chance.randrange(2)) for _ in range(8)) for _ in range(FRAMES - 1)]
        write_labels(root, "AU", split, name, units)
        rows.append(f"{name},person_{name}")
    for name in "abcd":
        path = root / "videos" / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    put(root, "boxes/a.csv", ["frame,left,top,right,bottom", "1,0,0,9,9", "120,0,0,9,9"])
    put(root, "subjects.csv", rows)
    return root


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sound_tree(tmp_path_factory.mktemp("sound") / "tree")


@pytest.fixture
def tree(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "tree"))


def edit(root: Path, name: str, line: int, text: str) -> None:
    """Replace a 1-based line."""
    lines = (root / name).read_text().splitlines()
    lines[line - 1] = text
    put(root, name, lines)


def found(root: Path, decode: bool = False) -> list[tuple[str, str, int]]:
    report = check_tree(root, decode=decode)
    return [(a.kind, a.file, a.line) for a in report.anomalies]


def test_a_sound_tree(sound: Path) -> None:
    report = check_tree(sound)
    assert report.anomalies == ()
    assert report.counts == {"files": 12, "tracks": 4, "videos": 4, "lines": 4 * 359}


def list_tree(root: Path, *rows: str) -> None:
    shutil.rmtree(root / "annotations")
    (root / "subjects.csv").unlink()
    (root / "boxes/a.csv").unlink()
    put(root, "annotations/training_set_annotations.txt", [LIST_HEADER, *rows])


def row(track: str, frame: int, expression: int = 1) -> str:
    return f"{track}/{frame:05d}.jpg,0.5,0,{expression}" + ",0" * 12


LIST = "annotations/training_set_annotations.txt"
EXPR_A, AU_A = VA_A.replace("VA_", "EXPR_"), VA_A.replace("VA_", "AU_")


def second_task_folder(root: Path) -> None:
    put(root, "annotations/VA_Estimation_Challenge/Train_Set/a.txt", [HEADERS["VA"], *va_lines(9)])


def shared_person(root: Path) -> None:
    edit(root, "subjects.csv", 3, "b,person_a")


def second_side_in_test(root: Path) -> None:
    write_labels(root, "VA", "Test", "d_right", va_lines(8))
    with open(root / "subjects.csv", "a") as handle:
        handle.write("d_right,somebody\n")


def task_in_another_split(root: Path) -> None:
    folder = root / "annotations/AU_Set"
    (folder / "Training_Set/a.txt").rename(folder / "Validation_Set/a.txt")


def link_out(root: Path) -> None:
    (root.parent / "secret.txt").write_text("valence,arousal\n0,0\n")
    (root / "annotations/VA_Set/Training_Set/z.txt").symlink_to(root.parent / "secret.txt")


def lone_valence(root: Path) -> None:
    put(root, "annotations/train/valence/e.txt", [f"{n / 200}" for n in range(FRAMES)])
    put(root, "videos/e.mp4", ["video"])
    with open(root / "subjects.csv", "a") as handle:
        handle.write("e,person_e\n")


def copied_labels(root: Path) -> None:
    shutil.copy(root / EXPR_A, root / EXPR_A.replace("Training_Set/a", "Test_Set/c"))


def eight_classes(root: Path) -> None:
    path = EXPR_A.replace("Training_Set/a", "Test_Set/c")
    edit(root, path, 1, ",".join(EXPRESSIONS_8))


def half_a_mark_in_units(root: Path) -> None:
    edit(root, AU_A, 4, "0,0,0,-1,0,0,0,0")


def far_row(root: Path) -> None:
    write_video(root / "videos/a.mp4", [draw(0)] * 5)
    list_tree(root, row("a", 1), row("a", 9))


Plant = Callable[[Path], object]
PLANTED: list[tuple[str, str, int, Plant]] = [
    ("unreadable", VA_A, 6, lambda r: edit(r, VA_A, 6, "\0")),
    ("empty", VA_A, 1, lambda r: (r / VA_A).write_text("")),
    ("empty", VA_A, 2, lambda r: put(r, VA_A, [HEADERS["VA"]])),
    ("header", VA_A, 1, lambda r: edit(r, VA_A, 1, "arousal,valence")),
    ("task", VA_A, 1, lambda r: shutil.copy(r / EXPR_A, r / VA_A)),
    ("fields", VA_A, 50, lambda r: edit(r, VA_A, 50, "0.5")),
    ("fields", VA_A, 7, lambda r: edit(r, VA_A, 7, "")),
    ("number", VA_A, 9, lambda r: edit(r, VA_A, 9, "nan,0")),
    ("range", VA_A, 121, lambda r: edit(r, VA_A, 121, "0,1.001")),
    ("range", EXPR_A, 3, lambda r: edit(r, EXPR_A, 3, "7")),
    ("mixed-mark", VA_A, 5, lambda r: edit(r, VA_A, 5, "-5,0.5")),
    ("mixed-mark", AU_A, 4, half_a_mark_in_units),
    ("no-labels", VA_A, 1, lambda r: put(r, VA_A, [HEADERS["VA"], *["-5,-5"] * FRAMES])),
    ("constant", VA_A, 2, lambda r: put(
        r, VA_A, [HEADERS["VA"], *(f"{n / 200},0.25" for n in range(FRAMES))])),
    ("mixed-mark", LIST, 3, lambda r: list_tree(
        r, row("a", 1), row("b", 1).replace("0.5,0", "0.5,-5"))),
    ("image-name", LIST, 3, lambda r: list_tree(r, row("a", 1), row("../b", 1))),
    ("range", LIST, 4, lambda r: list_tree(r, row("a", 1), row("b", 1), row("c", 1, 8))),
    ("repeated", LIST, 1, lambda r: list_tree(r, row("a", 1), row("b", 1), row("a", 1))),
    ("conflict", LIST, 4, lambda r: list_tree(r, row("a", 1), row("b", 1), row("a", 1, 2))),
    ("past-end", LIST, 3, far_row),
    ("length", EXPR_A, 118, lambda r: put(
        r, EXPR_A, (r / EXPR_A).read_text().splitlines()[:119])),
    ("unpaired", "annotations/train/valence/e.txt", 1, lone_valence),
    ("second-file", VA_A, 1, second_task_folder),
    ("no-video", AU_A, 1, lambda r: (r / "videos/a.mp4").unlink()),
    ("second-video", "videos/a.mp4", 1, lambda r: (r / "videos/a.avi").write_bytes(b"other")),
    ("boxes", "boxes/a.csv", 2, lambda r: edit(r, "boxes/a.csv", 2, "1,9,0,0,9")),
    ("boxes", "boxes/a.csv", 3, lambda r: edit(r, "boxes/a.csv", 3, "122,0,0,9,9")),
    ("no-track", "boxes/x.csv", 1, lambda r: put(r, "boxes/x.csv", ["frame"])),
    ("no-track", "subjects.csv", 1, lambda r: edit(r, "subjects.csv", 4, "c,person_c\nx,person_x")),
    ("subjects", "subjects.csv", 3, lambda r: edit(r, "subjects.csv", 3, "b")),
    ("no-subject", AU_A.replace("Training_Set/a", "Validation_Set/b"), 1,
     lambda r: edit(r, "subjects.csv", 3, "d,person_d_left")),
    ("tree", ".", 1, lambda r: shutil.rmtree(r / "annotations")),
    ("outside", "annotations/VA_Set/Training_Set/z.txt", 1, link_out),
    ("stray", "annotations/VA_Set/Traning_Set/y.txt", 1, lambda r: put(
        r, "annotations/VA_Set/Traning_Set/y.txt", ["valence,arousal", "0,0"])),
    ("label-space", EXPR_A.replace("Training_Set/a", "Test_Set/c"), 1, eight_classes),
    ("same-labels", EXPR_A.replace("Training_Set/a", "Test_Set/c"), 1, copied_labels),
    ("split-of-track", EXPR_A, 1, task_in_another_split),
    ("split-of-video", "annotations/VA_Set/Test_Set/d_right.txt", 1, second_side_in_test),
    ("split-of-subject", AU_A.replace("Training_Set/a", "Validation_Set/b"), 1, shared_person),
    ("same-video", "videos/b.mp4", 1, lambda r: shutil.copy(
        r / "videos/a.mp4", r / "videos/b.mp4")),
]  # fmt: skip
DECODED = (
    "video", "time-stamps", "damaged-frames", "frame-count", "video-length", "box-outside",
    "same-frames",
)  # fmt: skip


@pytest.mark.parametrize("case", PLANTED, ids=lambda c: f"{c[0]}-{c[2]}")
def test_planted(tree: Path, case: tuple[str, str, int, Plant]) -> None:
    kind, file, line, plant = case
    plant(tree)
    assert (kind, file, line) in found(tree)
    others = {k for k, _, _ in found(tree)} - {kind}
    assert others <= ({"no-track"} if kind == "tree" else set()), "a fault is told once"


def test_every_kind_is_planted_and_documented() -> None:
    assert {case[0] for case in PLANTED} | set(DECODED) == set(KINDS)
    text = (ROOT / "docs/data_check.md").read_text()
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.M) == list(KINDS)
    for what in KINDS.values():
        assert what in text


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound tree whose videos decode; frame 4 of `b` is damaged on demand only."""
    root = tmp_path_factory.mktemp("videos") / "tree"
    for offset, (name, split) in enumerate(
        [("a", "Training"), ("b", "Validation"), ("c", "Training")]
    ):
        images = [draw(n + 70 * offset) for n in range(12)]
        write_video(root / "videos" / f"{name}.mp4", images, codec="libx264")
        write_labels(root, "VA", split, name, va_lines(offset, 12))
    put(root, "boxes/a.csv", ["frame,left,top,right,bottom", "2,0,0,9,9"])
    return root


def test_decoded_and_sound(videos: Path) -> None:
    report = check_tree(videos, decode=True)
    assert report.anomalies == () and report.counts["frames"] == 36


def cut(root: Path) -> None:
    path = root / "videos/b.mp4"
    path.write_bytes(path.read_bytes()[:-400])


def other_length(root: Path) -> None:
    path = write_labels(root, "VA", "Validation", "b", va_lines(1, 14))
    assert path.is_file()


def h264_in_avi(root: Path) -> None:
    (root / "videos/b.mp4").unlink()
    images = [draw(n + 70) for n in range(12)]
    write_video(root / "videos/b.avi", images, codec="libx264", reordered=2)


def twice_the_frames(root: Path) -> None:
    (root / "videos/b.mp4").unlink()
    path = write_video(root / "videos/b.avi", [draw(n + 70) for n in range(12)])
    overwrite(path, b"strh", 8 + 32, 24)


def noise_in_a_frame(root: Path) -> None:
    (root / "videos/b.mp4").unlink()
    damaged(root / "videos/b.avi", [3], "mjpeg", frames=range(70, 82))


def far_box(root: Path) -> None:
    edit(root, "boxes/a.csv", 2, "2,64,0,99,9")


def same_pictures(root: Path) -> None:
    """Without loss, so that pictures are equal and files are not."""
    for name, numbers in (("a", range(12)), ("b", [*range(70, 79), 3, 4, 5])):
        path = root / "videos" / f"{name}.mp4"
        path.unlink()
        write_video(path.with_suffix(".mkv"), map(draw, numbers), codec="ffv1", pixels="bgr0")


@pytest.mark.parametrize(
    "kind,file,line,plant",
    [
        ("video", "videos/b.mp4", None, cut),
        ("video-length", "videos/b.mp4", 1, other_length),
        ("time-stamps", "videos/b.avi", 1, h264_in_avi),
        ("frame-count", "videos/b.avi", 1, twice_the_frames),
        ("damaged-frames", "videos/b.avi", 1, noise_in_a_frame),
        ("box-outside", "boxes/a.csv", 2, far_box),
        ("same-frames", "videos/b.mkv", 10, same_pictures),
    ],
)
def test_planted_in_videos(
    videos: Path, tmp_path: Path, kind: str, file: str, line: int | None, plant: Plant
) -> None:
    tree = Path(shutil.copytree(videos, tmp_path / "tree"))
    plant(tree)
    assert found(tree) == []
    ((got_kind, got_file, got_line),) = found(tree, decode=True)
    assert (got_kind, got_file) == (kind, file)
    assert line is None or got_line == line


def test_black_frames_give_nobody_away(videos: Path, tmp_path: Path) -> None:
    tree = Path(shutil.copytree(videos, tmp_path / "tree"))
    for name, start in (("a", 0), ("b", 70)):
        (tree / f"videos/{name}.mp4").unlink()
        black = [np.zeros((48, 64, 3), np.uint8)] * 6
        images = black + [draw(start + n) for n in range(6)]
        write_video(tree / f"videos/{name}.mkv", images, codec="ffv1", pixels="bgr0")
    assert found(tree, decode=True) == []


def test_all_bad_lines_are_told_up_to_a_limit(tree: Path) -> None:
    bad = [3, 7, 8, 100]
    for line in bad:
        edit(tree, VA_A, line, "2,0")
    assert found(tree) == [("range", VA_A, line) for line in bad]
    put(tree, VA_A, [HEADERS["VA"], *["2,0"] * FRAMES])
    report = check_tree(tree)
    assert len(report.anomalies) == 21
    assert report.anomalies[-1].message == "100 more lines of this kind"


def test_command(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(tree)]) == 0
    assert "no anomalies in 12 files" in capsys.readouterr().out
    edit(tree, VA_A, 5, "-5,0.5")
    edit(tree, VA_A, 9, "0.5,-5")
    assert main(["data", "check", str(tree)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{VA_A}:5: mixed-mark: 2 frames with -5 in one field")
    assert last == "1 anomalies in 12 files, 4 tracks, 4 videos, 1436 lines"
    assert main(["data", "check", str(tree), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["sound"] is False and answer["counts"]["lines"] == 1436
    (anomaly,) = answer["anomalies"]
    assert (anomaly["kind"], anomaly["file"], anomaly["line"]) == ("mixed-mark", VA_A, 5)
    assert main(["data", "check", str(tree), "--ignore", "mixed-mark,stray"]) == 0
    assert main(["data", "check", str(tree), "--ignore", "mixed"]) == 2
    assert main(["data", "check", str(tree / "nowhere")]) == 2
    capsys.readouterr()
    assert main(["data", "check", str(tree), "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(KINDS)


def test_a_partition_of_ones_own(tree: Path, tmp_path: Path) -> None:
    """`--partition` looks for leaks in any given split."""
    second_side_in_test(tree)
    path = tmp_path / "mine.csv"

    def kinds(*rows: str) -> list[str]:
        path.write_text("\n".join(["track,split", *rows]) + "\n")
        report = check_tree(tree, partition=read_partition(path))
        return [a.kind for a in report.anomalies]

    assert main(["data", "check", str(tree)]) == 1
    sound = ["a,train", "b,test", "c,test", "d_left,validation", "d_right,validation"]
    assert kinds(*sound) == []
    assert main(["data", "check", str(tree), "--partition", str(path)]) == 0
    assert kinds(*sound[:4], "d_right,train") == ["split-of-video"]
    shared_person(tree)
    assert kinds(*sound) == ["split-of-subject"]
    for rows, line in ((["a,dev"], 2), (["a,train", "a,test"], 3)):
        path.write_text("\n".join(["track,split", *rows]) + "\n")
        with pytest.raises(AnnotationError) as caught:
            read_partition(path)
        assert caught.value.line == line
    path.write_text("video,set\n")
    assert main(["data", "check", str(tree), "--partition", str(path)]) == 2


HOSTILE = [
    "..",
    "../evil",
    "/etc/passwd",
    "a\x1b[2J",
    "a\nb",
    "a\tb",
    "\u202eevil",
    "..\\x",
    "x" * 300,
    "\udcff",
    "a/../../b",
    "~root",
    "$(id)",
    "-rf",
    "con",
    "%2e%2e/x",
    "\u0000x",
    "a\r",
]


def test_names_on_the_terminal_are_harmless(tree: Path) -> None:
    name = "e\x1b[2J\n.txt"
    put(tree, f"annotations/VA_Set/Training_Set/{name}", [HEADERS["VA"], "2,0"])
    for anomaly in check_tree(tree).anomalies:
        assert str(anomaly).isprintable()
    for text in HOSTILE:
        assert printable(text).isprintable()
    with pytest.raises(KeyError):
        Findings(tree).add("no such kind", tree, None, "")


OPENED: list[str] = []


def test_200_hostile_names_open_nothing_outside(tree: Path) -> None:
    """Names in list files, subjects.csv and on disk, links among them; Python's own witness."""
    chance = random.Random(4)
    outside = tree.parent / "tree-evil"
    outside.mkdir()
    secret = outside / "secret.txt"
    secret.write_text("valence,arousal\n0,0\n")
    folders = ["annotations/VA_Set/Training_Set", "annotations/AU_Set/Test_Set", "boxes",
               "annotations", "annotations/train/valence", "videos"]  # fmt: skip
    suffixes = {"boxes": ".csv", "videos": ".mp4"}
    planted = 0
    while planted < 200:
        name = chance.choice(HOSTILE) + str(planted)
        where = chance.choice(folders)
        kind = chance.randrange(4)
        if kind == 0:
            with open(tree / "subjects.csv", "a", errors="surrogateescape") as handle:
                handle.write(f"{name.replace(chr(10), ' ')},p{planted}\n")
        elif kind == 1:
            list_name = tree / "annotations/validation_set.txt"
            known = list_name.read_text(errors="surrogateescape") if list_name.exists() else ""
            text = (known or LIST_HEADER + "\n") + row(name.replace("\0", ""), 1) + "\n"
            list_name.write_text(text, errors="surrogateescape")
        else:
            flat = name.replace("/", "_").replace("\0", "_")[-180:]
            path = tree / where / (flat + suffixes.get(where, ".txt"))
            path.parent.mkdir(parents=True, exist_ok=True)
            target = secret if kind == 2 else outside
            path.symlink_to(os.path.relpath(target, path.parent) if planted % 2 else target)
        planted += 1
    sys.addaudithook(lambda e, a: OPENED.append(str(a[0])) if e in ("open", "os.scandir") else None)
    OPENED.clear()
    report = check_tree(tree)
    for opening in (DataTree.open, lambda root: split_tree(root, (2, 1)), read_experts):
        with pytest.raises((AnnotationError, DatasetError)):
            opening(tree)
    seen = [os.path.realpath(name) for name in OPENED if os.path.isabs(name)]
    inside = [name for name in seen if name.startswith(f"{os.path.realpath(tree)}/")]
    assert len(inside) > 10, "the witness saw nothing"
    assert not [name for name in seen if "tree-evil" in name]
    assert not [name for name in OPENED if "passwd" in name and not name.startswith(str(tree))]
    assert {a.kind for a in report.anomalies} >= {"outside", "image-name"}


def mutations(folder: Path, count: int, seed: int) -> int:
    """Trees whose files are mutated: the check never raises and keeps to its list."""
    chance = random.Random(seed)
    root = sound_tree(folder / "tree")
    files = sorted(p for p in root.rglob("*") if p.suffix in (".txt", ".csv"))
    originals = {path: path.read_bytes() for path in files}
    unsound = 0
    for _ in range(count):
        path = chance.choice(files)
        path.write_bytes(mutate(originals[path], chance))
        report = check_tree(root)
        unsound += bool(report.anomalies)
        for anomaly in report.anomalies:
            assert anomaly.kind in KINDS and anomaly.line >= 1
        path.write_bytes(originals[path])
    assert check_tree(root).anomalies == ()
    return unsound


def test_mutated_trees(tmp_path: Path) -> None:
    assert 15 < mutations(tmp_path, 40, seed=3)


@pytest.mark.nightly
def test_mutated_trees_at_length(tmp_path: Path) -> None:
    assert 500 < mutations(tmp_path, 1500, seed=4)
