"""Lists of labelled images: every kind of gap, every kind of mistake, and the way to batches."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from kaffect.data.batches.pipeline import evaluation_frames, labelled_rows
from kaffect.data.prepared.prepare_stills import prepare_stills
from kaffect.data.prepared.records import PreparedData
from kaffect.data.prepared.stills import read_stills
from kaffect.errors import AnnotationError, ConfigError, DatasetError
from kaffect.labels import ACTION_UNITS_8, ACTION_UNITS_12


def picture(path: Path, value: int, size: tuple[int, int] = (20, 30), channels: int = 3) -> None:
    """One colour; a grey file has one channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size, 3) if channels == 3 else size
    image = np.full(shape, value, np.uint8)
    if channels == 3:
        image[..., 2] = 255 - value  # red, in the order of OpenCV
    cv2.imwrite(str(path), image)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        picture(tmp_path / "faces" / f"{number}.png", 40 * number, channels=1 + 2 * (number % 2))
    return tmp_path


def write(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


FULL = """path,valence,arousal,expression,AU1,AU2,AU4,AU6,AU12,AU15,AU20,AU25,split,subject
faces/0.png,0.5,-0.25,Happiness,0,0,0,1,1,0,0,1,train,a
faces/1.png,,,2,,,,,,,,,train,b
faces/2.png,-5,-5,-1,1,0,0,0,0,0,0,0,train,b
faces/3.png,0.1,0.2,,-1,-1,-1,-1,-1,-1,-1,-1,validation,c
faces/4.png,0,0,Neutral,0,0,0,0,0,0,0,,test,d
"""


def test_labels_and_gaps(folder):
    found = read_stills(write(folder, FULL))
    assert found.space.name == "aff-wild" and found.notes == ()
    train = found.splits["train"]
    assert [p.name for p in train.paths] == ["0.png", "1.png", "2.png"]
    np.testing.assert_allclose(train.valence_arousal, [[0.5, -0.25], [0, 0], [0, 0]])
    assert train.va_valid.tolist() == [True, False, False]
    assert train.expression.tolist() == [4, 2, 0]
    assert train.expression_valid.tolist() == [True, True, False]
    assert train.au_valid.tolist() == [True, False, True]
    assert train.action_units[0].tolist() == [0, 0, 0, 1, 1, 0, 0, 1]
    # A row with one gap counts as a row without units.
    assert not found.splits["test"].au_valid.any()
    assert found.splits["validation"].tasks == ("va",)


def test_columns_may_be_absent_and_in_any_order(folder):
    found = read_stills(write(folder, "expression,path\nSadness,faces/0.png\n5,faces/1.png\n"))
    stills = {k: v for k, v in found.splits.items()}
    everything = np.concatenate([s.expression for s in stills.values()])
    assert everything.tolist() == [5, 5]
    assert not any(s.va_valid.any() or s.au_valid.any() for s in stills.values())
    assert all(s.action_units.shape[1] == len(ACTION_UNITS_8) for s in stills.values())


@pytest.mark.parametrize(
    "text,name,units",
    [
        ("path,expression\nfaces/0.png,Other\n", "aff-wild2", ACTION_UNITS_12),
        ("path,expression\nfaces/0.png,7\n", "aff-wild2", ACTION_UNITS_12),
        (f"path,{','.join(reversed(ACTION_UNITS_12))}\nfaces/0.png{',1' * 12}\n", "aff-wild2",
         ACTION_UNITS_12),
        ("path,AU1,AU26\nfaces/0.png,1,0\n", "aff-wild, own units", ("AU1", "AU26")),
    ],
)  # fmt: skip
def test_label_spaces(folder, text, name, units):
    found = read_stills(write(folder, text))
    assert found.space.name == name and found.space.action_units == units


def test_values_of_units_follow_their_names_not_their_place(folder):
    units = list(reversed(ACTION_UNITS_8))
    values = [str(int(u == "AU4")) for u in units]
    text = f"path,{','.join(units)}\nfaces/0.png,{','.join(values)}\n"
    found = read_stills(write(folder, text))
    row = next(iter(found.splits.values())).action_units[0]
    assert row.tolist() == [0, 0, 1, 0, 0, 0, 0, 0]


def test_without_validation_a_tenth_of_the_people_is_held_out(folder):
    lines = ["path,expression,split,subject"]
    for number in range(200):
        picture(folder / "many" / f"{number}.png", 1, (2, 2))
        lines.append(f"many/{number}.png,0,{'test' if number >= 180 else 'train'},s{number // 2}")
    path = write(folder, "\n".join(lines) + "\n")
    found = read_stills(path)
    held = {int(p.stem) for p in found.splits["validation"].paths}
    assert 4 <= len(held) <= 36 and max(held) < 180
    assert held == {n ^ 1 for n in held}, "both pictures of a person, or none"
    assert "held out" in found.notes[0]
    again = read_stills(path).splits["validation"].paths
    assert again == found.splits["validation"].paths
    assert set(read_stills(path, hold_out=False).splits) == {"train", "test"}


HEAD = "path,valence,arousal,expression,AU1,split,subject\n"
WRONG = {
    "faces/9.png,,,,,,": (AnnotationError, "list.csv:2: no such picture"),
    "list.csv,,,,,,": (AnnotationError, "no such picture"),
    "../secret.png,,,,,,": (DatasetError, "leaves the folder"),
    "/etc/passwd,,,,,,": (DatasetError, "leaves the folder"),
    "link.png,,,,,,": (DatasetError, "leaves the folder"),
    "faces/0.png,1.5,0,,,,": (AnnotationError, "list.csv:2: valence and arousal must be in"),
    "faces/0.png,nan,0,,,,": (AnnotationError, "valence. Expected a decimal number"),
    "faces/0.png,,,Joy,,,": (AnnotationError, "expected one of Neutral, Anger"),
    "faces/0.png,,,9,,,": (AnnotationError, "Received: '9'"),
    "faces/0.png,,,,2,,": (AnnotationError, "AU1. Expected 0, 1 or -1"),
    "faces/0.png,,,,,dev,": (AnnotationError, "split. Expected one of 'test', 'train'"),
    "faces/0.png,,,": (AnnotationError, "list.csv:2: wrong number of fields"),
    "faces/0.png,,,,,,\nfaces/0.png,,,,,,": (AnnotationError, "list.csv:3: the picture of line 2"),
    "faces/0.png,,,,,test,": (DatasetError, "no picture for training"),
    "faces/0.png,,,,,train,a\nfaces/1.png,,,,,test,a": (DatasetError, "share a person"),
}


@pytest.mark.parametrize("lines", WRONG, ids=range(len(WRONG)))
def test_mistakes_are_told_with_their_line(folder, lines):
    (folder.parent / "secret.png").write_bytes(b"")
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    kind, message = WRONG[lines]
    with pytest.raises(kind, match=message):
        read_stills(write(folder, HEAD + lines + "\n"))


@pytest.mark.parametrize(
    "text", ["", "\n\n", "\n\n  \n", "file,expression\n", "path,mood\nfaces/0.png,1\n",
             "path,valence\nfaces/0.png,1\n", "path,path\n", "path\n",
             'path,expression\n"faces/0.png,1\n'],
)  # fmt: skip
def test_wrong_headers_and_empty_lists(folder, text):
    with pytest.raises(AnnotationError, match="list.csv:"):
        read_stills(write(folder, text))


def test_an_unknown_label_space(folder):
    with pytest.raises(ConfigError, match="Unknown label space"):
        read_stills(write(folder, FULL), space="fer")


def test_prepared_stills_read_like_prepared_frames(folder):
    out = prepare_stills(
        write(folder, FULL), folder / "out", image_size=16, encoding="png", progress=False
    )
    data = PreparedData.open(out)
    assert data.splits == ("train", "validation", "test") and not data.synthetic
    train = data.split("train")
    assert train.partition["au"] == (0,) and data.split("validation").partition["au"] == ()
    assert labelled_rows(train, "va").tolist() == [0]
    batch = next(iter(evaluation_frames(train, batch=4))).copy()
    images = batch["images"].numpy()
    assert images.shape == (4, 16, 16, 3) and (images[3] == 128).all()
    np.testing.assert_array_equal(images[1, 8, 8], [215, 40, 40])  # red, green, blue
    np.testing.assert_array_equal(images[2, 8, 8], [80, 80, 80])  # grey: three equal channels
    assert batch["expression_mask"].numpy().tolist() == [True, True, False, False]
    scoring = train.scoring()
    assert scoring.row.tolist() == [0, 1, 2] and scoring.au_valid.tolist() == [True, False, True]
    assert data.split("test").scoring().expression_valid.tolist() == [True]


def test_prepared_again_only_where_something_changed(folder):
    path = write(folder, FULL)
    out = prepare_stills(path, folder / "out", image_size=16, progress=False)
    before = (out / "manifest.json").stat().st_ino
    assert prepare_stills(path, folder / "out", image_size=16, progress=False) == out
    assert (out / "manifest.json").stat().st_ino == before
    picture(folder / "faces" / "0.png", 200)
    prepare_stills(path, folder / "out", image_size=16, progress=False)
    assert (out / "manifest.json").stat().st_ino != before
    assert not list(folder.glob("out.parts"))


def test_a_picture_that_is_none_stops_before_anything_is_written(folder):
    (folder / "faces" / "1.png").write_bytes(b"not a picture")
    with pytest.raises(DatasetError, match="1.png: not a picture"):
        prepare_stills(write(folder, FULL), folder / "out", progress=False)
    assert not (folder / "out").exists()


def png_header(width: int, height: int) -> bytes:
    """A grey PNG as far as its sizes; of its pixels there is nothing."""
    parts = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"IDAT", b"IEND")
    chunks = (struct.pack(">I", len(p) - 4) + p + struct.pack(">I", zlib.crc32(p)) for p in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(("width", "height"), [(8001, 8000), (9999, 9999), (60000, 60000)])
def test_a_huge_picture_is_refused_by_its_header(folder, monkeypatch, width, height):
    (folder / "faces" / "1.png").write_bytes(png_header(width, height))

    def decode(data, kind):
        assert len(data) != len(png_header(1, 1)), "the huge picture must not be decoded"
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(cv2, "imdecode", decode)
    with pytest.raises(DatasetError, match="1.png: too large. Expected at most 64000000 pixels"):
        prepare_stills(write(folder, FULL), folder / "out", progress=False)
    assert not (folder / "out").exists()
