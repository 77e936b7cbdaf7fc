"""Counts of a data tree, by hand; frames that are shown beside the labels that belong to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kaffect.curation.statistics import (
    BINS,
    describe,
    in_words,
    known_annotators,
    shares,
    video_facts,
)
from kaffect.data.tree import DataTree
from kaffect.labels import EXPRESSIONS_7
from tests.data.drawing import draw as draw_number
from tests.data.drawing import write_labels, write_video


def test_parts_of_the_shared_tree(tree: DataTree) -> None:
    """Frame n has AU1 = n % 2 and AU12 = 1; expression n % 7, without the seventh."""
    parts = describe(tree).parts
    units, names = parts["au"], parts["expression"]
    assert units.frames == 40 + 40 + 62 + 33
    assert parts["all"].frames == parts["va"].frames == 225
    assert sorted(units.videos) == ["b.mp4", "c.mp4", "d.mp4"]
    assert dict(units.units["AU1"]) == {"train": 40, "validation": 31, "test": 16}
    assert sum(units.units["AU12"].values()) == units.active == 175
    assert units.together is not None
    assert units.together[0].tolist() == [87, 0, 0, 0, 87, 0, 0, 0]
    assert units.together[4, 4] == 175
    classes = {name: sum(c.values()) for name, c in names.expressions.items()}
    lengths = (50, 40, 40, 62, 33)
    assert classes == {
        name: 0 if k == 6 else sum(len(range(k, n, 7)) for n in lengths)
        for k, name in enumerate(EXPRESSIONS_7)
    }
    assert dict(names.labelled["va"]) == {"train": 45 + 36 + 36, "validation": 56, "test": 30}
    assert dict(names.tracks) == {"train": 3, "validation": 1, "test": 1}


def test_the_va_plane(tree: DataTree) -> None:
    """Valence n / 200 from 0 to 61, every tenth missing; arousal always -0.5."""
    plane = describe(tree).parts["va"].plane
    assert plane.shape == (BINS, BINS) and plane.sum() == 45 + 36 + 36 + 56 + 30
    assert np.flatnonzero(plane.sum(axis=0)).tolist() == [5], "-0.5 is the fifth tenth from -1"
    kept = [n for length in (50, 40, 40, 62, 33) for n in range(length) if n % 10 != 9]
    by_hand = [sum(n // 20 == tenth for n in kept) for tenth in range(4)]
    assert plane[10:14, 5].tolist() == by_hand


def test_attributes(tree: DataTree) -> None:
    found = describe(tree).parts["au"].attributes()
    assert found == {
        "No of frames": "175",
        "No of videos": "3",
        "No of subjects": "4 (gender not given)",
        "No of annotators": "not given",
        "Length of videos": "1 secs - 2 secs",
        "Video format": "MP4",
        "Mean Image Resolution": "64 x 48",
    }


def test_genders_and_what_is_not_given(tmp_path: Path) -> None:
    for name in "abcd":
        write_labels(tmp_path, "VA", "Training", name, ["0,0"])
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / f"videos/{name}.avi").write_bytes(b"no video at all")
    tree = DataTree.open(tmp_path)
    nothing = describe(tree).parts["va"].attributes()
    assert nothing["No of subjects"] == nothing["Length of videos"] == "not given"
    assert nothing["Mean Image Resolution"] == "not given"
    assert nothing["Video format"] == "AVI"
    rows = ["video,subject,gender", "a,p,male", "b,q,female", "c,q,female", "d,r,"]
    (tmp_path / "subjects.csv").write_text("\n".join(rows) + "\n")
    people = describe(DataTree.open(tmp_path)).parts["va"].attributes()["No of subjects"]
    assert people == "3 (1 male; 1 female; 1 gender not given)"
    (tmp_path / "subjects.csv").write_text("\n".join(rows[:-1]) + "\n")
    people = describe(DataTree.open(tmp_path)).parts["va"].attributes()["No of subjects"]
    assert people == "2 (1 male; 1 female); 1 tracks without a name"


@pytest.mark.parametrize(
    "name,text,count",
    [
        ("agreement.json", '{"tasks": {"va": {"annotators": ["a", "b"]}, "au": {}}}', 2),
        ("synthetic.json", '{"annotators": 3}', 3),
        ("synthetic.json", '{"videos": 3}', None),
        ("agreement.json", "[]", None),
        ("agreement.json", "{", None),
    ],
)
def test_annotators(tmp_path: Path, name: str, text: str, count: int | None) -> None:
    (tmp_path / name).write_text(text)
    assert known_annotators(DataTree(tmp_path, ())) == count


def test_words_and_shares() -> None:
    said = [in_words(seconds) for seconds in (3, 981, 60, 0.4, 1582.2)]
    assert said == ["3 secs", "16 mins 21 secs", "1 mins", "0 secs", "26 mins 22 secs"]
    assert shares([1, 3]) == [0.25, 0.75] and shares([0, 0]) == [0, 0]


def test_video_headers(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", map(draw_number, range(45)), rate=15)
    facts = video_facts(path)
    assert facts.size == (64, 48)
    assert facts.seconds == pytest.approx(3, abs=0.1)
    assert video_facts(tmp_path / "none.mp4").size is None
