"""Folders of face pictures in the place of videos (Aff-Wild2's `cropped_aligned`)."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from kaffect.curation.check import check_tree
from kaffect.curation.samples import draw as draw_samples
from kaffect.curation.samples import with_pictures
from kaffect.curation.split_tree import split_tree, write_split
from kaffect.curation.statistics import describe
from kaffect.data.prepared.examples import parse_images
from kaffect.data.prepared.prepare import prepare_tree
from kaffect.data.prepared.records import PreparedData
from kaffect.data.tree import DataTree
from kaffect.data.video.face_folders import FaceFolder, read_rates
from kaffect.errors import AnnotationError, DatasetError, VideoError
from tests.data.drawing import (
    LIST_HEADER,
    draw,
    list_row,
    put,
    read_number,
    write_faces,
    write_video,
)

FRAMES = 24
MISSING = (1, 9, 10, 23, 24)  # frames without a face, from 1


def faces_tree(root: Path) -> Path:
    """ABAW-3 and later: two people of one recording in training, one in validation."""
    annotations = "6th ABAW Annotations/VA_Estimation_Challenge"
    for track, split in (("b_left", "Train"), ("b", "Train"), ("1-25-640x480", "Validation")):
        write_faces(root, track, (n for n in range(1, FRAMES + 1) if n not in MISSING))
        lines = ["valence,arousal", *(f"{n / 100},0.5" for n in range(FRAMES))]
        put(root, f"{annotations}/{split}_Set/{track}.txt", lines)
    put(root, "cropped_aligned/b/.DS_Store", ["no picture"])
    return root


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return faces_tree(tmp_path / "tree")


def prepared(root: Path, out: Path) -> PreparedData:
    return PreparedData.open(prepare_tree(root, out, encoding="png", progress=False))


@pytest.mark.parametrize("videos", [False, True])
def test_each_picture_has_the_label_of_its_number(
    faces: Path, tmp_path: Path, videos: bool
) -> None:
    """With the videos, too, the release's own crops are taken; no detector is asked."""
    if videos:
        for name in ("b", "1-25-640x480"):
            write_video(faces / f"videos/{name}.mp4", [draw(200)] * FRAMES)
    data = prepared(faces, tmp_path / "out")
    assert data.manifest["settings"]["detector"] is None
    assert data.splits == ("train", "validation")
    index = data.split("train")
    assert index.tracks == ("b", "b_left") and len(index) == 2 * FRAMES
    assert index.va_valid.all(), "a frame without a face keeps its label"
    numbers = np.tile(np.arange(1, FRAMES + 1), 2)
    assert index.source_frame.tolist() == numbers.tolist()
    assert index.has_face.tolist() == [n not in MISSING for n in numbers]
    images = parse_images(index.reader.read(index.rows), "png", 96).numpy()
    for image, valence, face in zip(images, index.valence_arousal[:, 0], index.has_face):
        if face:
            assert read_number(image) == round(valence * 100)
        else:
            assert (image == 128).all()
    assert any("folders of face pictures" in note for note in data.missing)
    assert not any("face boxes" in note for note in data.missing)


def test_the_rate_is_stated_or_that_of_the_video(faces: Path, tmp_path: Path) -> None:
    put(faces, "rates.csv", ["video,fps", "b, 15.0"])
    write_video(faces / "videos/1-25-640x480.mp4", [draw(0)] * 10, 60)
    tree = DataTree.open(faces)
    assert {t.name: t.rate for t in tree.tracks} == {"b": 15, "b_left": 15, "1-25-640x480": 60}
    data = prepared(faces, tmp_path / "out")
    train, validation = data.split("train"), data.split("validation")
    assert train.source_frame[:8].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert len(train) == 4 * FRAMES and len(validation) == FRAMES // 2
    assert validation.scoring().time.tolist() == pytest.approx([n / 60 for n in range(FRAMES)])
    before = tree.hash()
    put(faces, "rates.csv", ["video,fps", "b,16"])
    assert DataTree.open(faces).hash() != before
    for text, line in (("video,rate\nb,1", 1), ("video,fps\nb,0", 2), ("video,fps\nb,9\nb,8", 3)):
        (faces / "rates.csv").write_text(text)
        with pytest.raises(AnnotationError) as caught:
            read_rates(faces / "rates.csv")
        assert caught.value.line == line


def test_constant_rate_is_nearest_in_time(tmp_path: Path) -> None:
    folder = write_faces(tmp_path, "v", range(1, 41))
    for rate in (Fraction(24000, 1001), Fraction(25), Fraction(50)):
        shown = [(f.number, f.source) for f in FaceFolder(folder, rate)]
        assert len(shown) == round(40 / rate * 30)
        times = np.arange(40) / float(rate)
        for number, source in shown:
            nearest = np.abs(times - number / 30).min()
            assert abs(times[source - 1] - number / 30) <= nearest + 1e-9


def test_two_people_of_one_recording_are_in_one_split(faces: Path) -> None:
    folder = faces / "6th ABAW Annotations/VA_Estimation_Challenge"
    (folder / "Train_Set/b_left.txt").rename(folder / "Validation_Set/b_left.txt")
    with pytest.raises(DatasetError, match="video 'b' is in train .* and in validation"):
        DataTree.open(faces)


def test_another_persons_folder_is_not_taken(faces: Path) -> None:
    shutil.rmtree(faces / "cropped_aligned/b_left")
    with pytest.raises(DatasetError, match="no video for this annotation.*cropped_aligned/b_left"):
        DataTree.open(faces)


def test_all_other_commands_take_them(faces: Path, tmp_path: Path) -> None:
    found = check_tree(faces, decode=True).anomalies
    assert {a.kind for a in found} == {"same-frames"}, "all three show the same numbers"
    part = describe(DataTree.open(faces)).parts["all"]
    assert part.frames == 3 * FRAMES and part.formats == ("pictures",)
    assert part.attributes()["Mean Image Resolution"] == "112 x 112"
    assert part.attributes()["No of videos"] == "2"
    for sample in with_pictures(DataTree.open(faces), draw_samples(DataTree.open(faces), 12, 0)):
        assert sample.frame not in MISSING and read_number(sample.image) == sample.frame - 1
    write_split(split_tree(faces, (1, 1)), tmp_path / "split")
    tree = DataTree.open(tmp_path / "split")
    assert {t.name: t.video.is_dir() for t in tree.tracks} == dict.fromkeys(
        ("b", "b_left", "1-25-640x480"), True
    )


def unreadable(folder: Path) -> None:
    (folder / "00002.jpg").write_bytes(b"no picture")


def too_many(folder: Path) -> None:
    write_faces(folder.parents[1], "b", range(25, 40))


def twice(folder: Path) -> None:
    shutil.copy(folder / "00002.jpg", folder / "2.jpeg")


def nothing(folder: Path) -> None:
    for path in folder.glob("*.jpg"):
        path.unlink()


@pytest.mark.parametrize(
    "damage,message",
    [
        (unreadable, r"b/00002\.jpg: cannot be read as a picture"),
        (too_many, r"b: does not fit .*b\.txt: 39 frames .* 24"),
        (twice, r"b: two pictures of frame 2: 00002\.jpg, 2\.jpeg"),
        (nothing, r"b: pictures of faces\. Expected .*Received: 'none'"),
    ],
)
def test_bad_folders(faces: Path, tmp_path: Path, damage: object, message: str) -> None:
    assert callable(damage)
    damage(faces / "cropped_aligned/b")
    with pytest.raises(VideoError, match=message) as caught:
        prepare_tree(faces, tmp_path / "out", progress=False)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_lists_name_pictures_of_folders(tmp_path: Path) -> None:
    write_faces(tmp_path, "v", (2, 5, 6))
    rows = [list_row("v", 2, 0.01), list_row("v", 6, 0.05)]
    path = put(tmp_path, "training_set_annotations.txt", [LIST_HEADER, *rows])
    index = prepared(tmp_path, tmp_path / "out").split("train")
    assert index.scoring().source_frame.tolist() == [2, 6] and len(index) == 6
    assert index.has_face.tolist() == [False, True, False, False, True, True]
    put(tmp_path, path.name, [LIST_HEADER, rows[0], list_row("v", 40, 0.5)])
    with pytest.raises(AnnotationError, match="frame 40 of 'v', but .* at most 6") as caught:
        prepared(tmp_path, tmp_path / "again")
    assert caught.value.line == 3
