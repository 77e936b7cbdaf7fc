"""Who is in which video: the list of subjects, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaffect.data.subjects import read_subjects
from kaffect.errors import AnnotationError


def test_subjects_by_video_or_track(tmp_path: Path) -> None:
    path = tmp_path / "subjects.csv"
    path.write_text("video,subject,gender\nv.mp4,p,f\nw_left,q,\nw_right,r,m\n")
    read = read_subjects(path)
    assert {name: (s.name, s.gender) for name, s in read.items()} == {
        "v": ("p", "f"), "w_left": ("q", None), "w_right": ("r", "m"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "text,line",
    [
        ("name,who\n", 1),
        ("video,subject\na\n", 2),
        ("video,subject\na,p\nb,\n", 3),
        ("video,subject\na.mp4,p\na,q\n", 3),
        ("video,subject\na,p,x\n", 2),
    ],
)
def test_bad_subjects(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "subjects.csv"
    path.write_text(text)
    with pytest.raises(AnnotationError) as caught:
        read_subjects(path)
    assert (caught.value.path, caught.value.line) == (path, line)
