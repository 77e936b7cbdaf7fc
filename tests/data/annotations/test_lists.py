"""Multi-task list files: unordered, repeated, conflicting and hostile rows (ABAW-3 and later)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaffect.data import read_annotation_list, write_annotation_list
from kaffect.data.annotations import lists as annotation_lists
from kaffect.errors import AnnotationError
from kaffect.labels import ACTION_UNITS_12

HEADER = "image,valence,arousal,expression," + ",".join(ACTION_UNITS_12)
UNITS = ",0" * 11 + ",1"
MISSING = ",-1" * 12


def put(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "training_set_annotations.txt"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_rows_are_sorted_and_repeats_merged(tmp_path: Path) -> None:
    rows = [
        f"vb/00002.jpg,0.5,-0.5,7{UNITS}",
        f"va/00010.jpg,-5,-5,-1{UNITS}",
        f"vb/00001.jpg,-5.0,0.25,3{MISSING}",
        f"va/00009.jpg,1,-1,0{UNITS}",
        f"vb/00002.jpg,0.50,-0.5,7{UNITS}",
    ]
    read = read_annotation_list(put(tmp_path, *rows))
    assert read.images == ("va/00009.jpg", "va/00010.jpg", "vb/00001.jpg", "vb/00002.jpg")
    assert read.tracks.tolist() == ["va", "va", "vb", "vb"]
    assert read.frames.tolist() == [9, 10, 1, 2]
    assert read.duplicates == 1
    assert read.va_valid.tolist() == [True, False, False, True]
    assert read.valence_arousal.tolist() == [[1, -1], [-5, -5], [-5, -5], [0.5, -0.5]]
    assert read.expression.tolist() == [0, -1, 3, 7]
    assert read.expression_valid.tolist() == [True, False, True, True]
    assert read.au_valid.tolist() == [True, True, False, True]
    assert read.action_units[:, -1].tolist() == [1, 1, -1, 1]


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"v{n % 5}/{n // 5 + 1:05d}.jpg,{rng.uniform(-1, 1):.3f},0,{n % 8}"
        + "".join(f",{u}" for u in rng.integers(0, 2, 12))
        for n in range(200)
    ]
    first = read_annotation_list(put(tmp_path, *rows))
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    again = read_annotation_list(put(tmp_path, *shuffled))
    assert first.images == again.images
    for name in ("valence_arousal", "expression", "action_units", "frames"):
        assert getattr(first, name).tolist() == getattr(again, name).tolist()
    by_name = {row.split(",")[0]: row for row in rows}
    for image, va, expression in zip(first.images, first.valence_arousal, first.expression):
        fields = by_name[image].split(",")
        assert [float(fields[1]), float(fields[2]), int(fields[3])] == [*va, expression]


def test_conflict_names_both_lines(tmp_path: Path) -> None:
    rows = [f"v/1.jpg,0,0,1{UNITS}", f"v/2.jpg,0,0,1{UNITS}", f"v/1.jpg,0,0,2{UNITS}"]
    with pytest.raises(AnnotationError, match="the other row is line 2") as caught:
        read_annotation_list(put(tmp_path, *rows))
    assert caught.value.line == 4


GOOD = f"v/1.jpg,0.5,0.5,1{UNITS}"
REFUSED = [
    (f"v/2.jpg,0.5,1.5,1{UNITS}", "arousal must be in"),
    (f"v/2.jpg,nan,0,1{UNITS}", "valence: not a number"),
    (f"v/2.jpg,0,0,8{UNITS}", "expression must be in 0 to 7"),
    (f"v/2.jpg,0,0,1.5{UNITS}", "expression must be in 0 to 7"),
    (f"v/2.jpg,0,0,1{',0' * 11},0.5", "AU26 must be"),
    (f"v/2.jpg,0,0,1{',0' * 11},3", "AU26 must be"),
    (f"v/2.jpg,0,0,1{',0' * 11}", "wrong number of fields"),
    (f"v/2.jpg,0,0,1{UNITS},0", "wrong number of fields"),
    ("", "wrong number of fields"),
    ("v/2.jpg", "wrong number of fields"),
]
NAMES = [
    "../v/2.jpg", "/v/2.jpg", "v/../2.jpg", "v\\2.jpg", "v/w/2.jpg", "2.jpg", "..\\v/2.jpg",
    "./2.jpg", "v/2.exe", "v/x.jpg", "v/2.jpg/", ".hidden/2.jpg", f"{'v' * 300}/2.jpg",
    "v/\u0662.jpg", "v/\x7f2.jpg", "",
]  # fmt: skip


@pytest.mark.parametrize("row,message", REFUSED)
def test_refused_with_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message) as caught:
        read_annotation_list(put(tmp_path, GOOD, row, f"v/3.jpg,0,0,1{UNITS}"))
    assert caught.value.line == 3


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_hostile_image_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(AnnotationError, match="not an image name") as caught:
        read_annotation_list(put(tmp_path, GOOD, f"{name},0,0,1{UNITS}"))
    assert caught.value.line == 3


def test_header(tmp_path: Path) -> None:
    for header in ("image,valence,arousal", HEADER.replace("AU26", "AU27"), ""):
        with pytest.raises(AnnotationError, match="wrong header") as caught:
            read_annotation_list(put(tmp_path, GOOD, header=header))
        assert caught.value.line == 1


# As several public code bases of the challenges write it, by hand here.
RELEASED = """image,valence,arousal,expression,aus
video49/00001.jpg,0.25,-0.5,4,0,1,0,1,0,0,1,0,0,0,1,0
13-30-1920x1080/00218.jpg,-5,-5,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1,-1
"""


def test_the_header_of_the_releases_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "training_set_annotations.txt"
    path.write_text(RELEASED)
    read = read_annotation_list(path)
    assert read.tracks.tolist() == ["13-30-1920x1080", "video49"]
    assert read.frames.tolist() == [218, 1]
    assert read.valence_arousal[1].tolist() == [0.25, -0.5]
    assert read.expression.tolist() == [-1, 4]
    assert read.action_units[1].tolist() == [0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0]
    assert read.au_valid.tolist() == [False, True]
    write_annotation_list(path, read)
    lines = RELEASED.splitlines()
    assert path.read_text().splitlines() == [lines[0], lines[2], lines[1]]
    path.write_text(RELEASED.replace("aus", ",".join(ACTION_UNITS_12)))
    named = read_annotation_list(path)
    assert named.action_units.tolist() == read.action_units.tolist()


def test_good_text_is_read_the_fast_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation_lists, "_read_row", None)
    assert len(read_annotation_list(put(tmp_path, GOOD, f"v/2.jpg,-5,-5,-1{MISSING}"))) == 2
