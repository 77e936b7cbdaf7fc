"""Mutated list files, submissions and files without header: typed errors with file and line."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from kaffect.data import read_annotation_list, read_annotations, read_submission
from kaffect.data.annotations.lists import LIST_COLUMNS
from kaffect.errors import AnnotationError
from tests.data.mutation import mutate

UNITS = ",0,1" * 6
LIST = ",".join(LIST_COLUMNS) + "\n" + "".join(
    f"v{n % 2}/{n + 1:05d}.jpg,{n / 8},-0.5,{n}{UNITS}\n" for n in range(5)
) + "w/00001.jpg,-5,-5,-1" + ",-1" * 12 + "\n"  # fmt: skip
VA = "image_location,valence,arousal\n" + "".join(f"v/{n:05d}.jpg,0.{n},-1\n" for n in range(1, 6))
AU = "image_location,AU1,AU2,AU4,AU6,AU12,AU15,AU20,AU25\n" + "v/00001.jpg,0,1,0,1,0,1,0,1\n" * 1
PLAIN = "0.5\n-5\n-0.25\n1\n"
NUMBER = re.compile(r" *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *", re.ASCII)


def check_list(path: Path) -> None:
    read = read_annotation_list(path)
    for values, valid, mark in (
        (read.valence_arousal, read.va_valid, -5),
        (read.expression[:, None], read.expression_valid, -1),
        (read.action_units, read.au_valid, -1),
    ):
        assert (values[~valid] == mark).all()
        assert (values[valid] >= -1).all() and (values[valid] <= (7 if mark == -1 else 1)).all()
    assert (read.action_units <= 1).all() and (read.frames >= 1).all()
    assert not any(set("/\\\0\n") & set(name) or name.startswith(".") for name in read.tracks)


def check_submission(path: Path) -> None:
    read = read_submission(path)
    assert read.values.min() >= -1 and read.values.max() <= 1
    assert len(set(zip(read.tracks.tolist(), read.frames.tolist()))) == len(read)


def check_plain(path: Path) -> None:
    read = read_annotations(path)
    text = path.read_bytes().decode("ascii").replace("\r\n", "\n").rstrip(" \n")
    fields = text.split("\n")
    assert all(NUMBER.fullmatch(field) for field in fields)
    assert read.values[:, 0].tolist() == [float(field) for field in fields]
    assert (np.abs(read.values[read.valid]) <= 1).all()


CASES = [(LIST, check_list), (VA, check_submission), (AU, check_submission), (PLAIN, check_plain)]


def refused(folder: Path, count: int, seed: int) -> int:
    chance = random.Random(seed)
    path = folder / "valence" / "a.txt"
    path.parent.mkdir(exist_ok=True)
    bad = 0
    for _ in range(count):
        text, check = chance.choice(CASES)
        data = mutate(text.encode(), chance)
        path.write_bytes(data)
        try:
            check(path)
        except UnicodeDecodeError:
            assert data.startswith(b"\xef\xbb\xbf"), "only the byte order mark is not ASCII"
        except AnnotationError as error:
            bad += 1
            assert error.path == path and str(path) in str(error)
            if b"\0" not in data:
                assert error.line is not None and 1 <= error.line <= data.count(b"\n") + 2
    return bad


def test_mutated_lists(tmp_path: Path) -> None:
    for text, check in CASES:
        path = tmp_path / "valence" / "a.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        check(path)
    assert 250 < refused(tmp_path, 500, seed=5) < 500


@pytest.mark.nightly
def test_mutated_lists_at_length(tmp_path: Path) -> None:
    assert 5_000 < refused(tmp_path, 10_000, seed=6) < 10_000
