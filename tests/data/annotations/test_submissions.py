"""The submission format: one row for every frame, read back bit for bit, nothing hostile passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaffect.data import (
    Submission,
    read_annotation_list,
    read_submission,
    write_annotation_list,
    write_submission,
)
from kaffect.data.annotations.lists import LIST_COLUMNS
from kaffect.errors import AnnotationError
from kaffect.labels import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    EXPRESSIONS_7,
    EXPRESSIONS_8,
    VALENCE_AROUSAL,
)

COLUMNS = {
    "va": (VALENCE_AROUSAL,),
    "expression": (EXPRESSIONS_7, EXPRESSIONS_8),
    "au": (ACTION_UNITS_8, ACTION_UNITS_12),
    "all": (LIST_COLUMNS[1:],),
}
CASES = [(task, columns) for task, choices in COLUMNS.items() for columns in choices]


def predictions(task: str, columns: tuple[str, ...], frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    va = rng.uniform(-1, 1, (frames, 2))
    if task == "va":
        return va
    if task == "expression":
        return rng.integers(0, len(columns), frames)
    if task == "au":
        return rng.integers(0, 2, (frames, len(columns)))
    rest = [rng.integers(0, 8, (frames, 1)), rng.integers(0, 2, (frames, 12))]
    return np.concatenate([va, *rest], axis=1)


@pytest.mark.parametrize("task,columns", CASES)
def test_every_frame_has_a_row_and_reads_back_bit_for_bit(
    tmp_path: Path, task: str, columns: tuple[str, ...]
) -> None:
    frames = {"105": 3, "b_left": 12, "b_right": 1}
    wanted = {name: predictions(task, columns, n, n) for name, n in frames.items()}
    path, again = tmp_path / "one.txt", tmp_path / "two.txt"
    write_submission(path, Submission.of_tracks(task, columns, wanted))
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + sum(frames.values())
    assert [line.split(",")[0] for line in lines[1:6]] == [
        "105/00001.jpg", "105/00002.jpg", "105/00003.jpg", "b_left/00001.jpg", "b_left/00002.jpg",
    ]  # fmt: skip
    read = read_submission(path, task, frames)
    assert (read.task, read.columns) == (task, columns)
    for name, values in wanted.items():
        numbers, got = read.of_track(name)
        assert numbers.tolist() == list(range(1, frames[name] + 1))
        assert got.tolist() == values.reshape(len(values), -1).tolist()
    write_submission(again, read)
    assert again.read_bytes() == path.read_bytes()


def test_known_text(tmp_path: Path) -> None:
    va = np.array([[0.5, -1], [1e-7, -0.0]])
    write_submission(tmp_path / "va", Submission.of_tracks("va", VALENCE_AROUSAL, {"x": va}))
    assert (tmp_path / "va").read_text() == (
        "image_location,valence,arousal\nx/00001.jpg,0.5,-1\nx/00002.jpg,0.0000001,-0\n"
    )
    classes = {"x": np.array([7])}
    write_submission(tmp_path / "ex", Submission.of_tracks("expression", EXPRESSIONS_8, classes))
    assert (tmp_path / "ex").read_text() == (
        "image_location,Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n"
        "x/00001.jpg,7\n"
    )


def test_multi_task_text_as_the_challenges_have_it(tmp_path: Path) -> None:
    path = tmp_path / "predictions.txt"
    rows = "v/00001.jpg,0.5,-0.25,7,1,0,0,0,0,0,0,0,0,0,0,1\n"
    for units in ("aus", ",".join(ACTION_UNITS_12)):
        path.write_text(f"image,valence,arousal,expression,{units}\n{rows}")
        read = read_submission(path, "all")
        assert read.values.tolist() == [[0.5, -0.25, 7, 1, *[0] * 10, 1]]
    write_submission(path, read)
    assert path.read_text() == f"image,valence,arousal,expression,aus\n{rows}"


finite = st.floats(-1, 1, width=64)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(finite, finite), min_size=1, max_size=6), single=st.booleans())
def test_any_numbers_read_back(
    tmp_path: Path, rows: list[tuple[float, float]], single: bool
) -> None:
    values = np.array(rows, np.float32 if single else np.float64)
    path = tmp_path / "a.txt"
    write_submission(path, Submission.of_tracks("va", VALENCE_AROUSAL, {"v": values}))
    assert read_submission(path).values.tobytes() == values.astype(np.float64).tobytes()


def test_rows_in_any_order_and_what_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("image_location,valence,arousal\nv/00003.jpg,0.3,0\nv/00001.jpg,0.1,0\n")
    read = read_submission(path)
    assert read.of_track("v")[1][:, 0].tolist() == [0.1, 0.3]
    assert read.incomplete() == ["v: 1 of 3 frames are missing, first 2"]
    for frames, said in (
        ({"v": 3}, "v: 1 of 3 frames are missing, first 2"),
        ({"v": 1}, "v: frame 3, but the track has 1 frames"),
        ({"v": 3, "w": 2}, "w: 2 of 2 frames are missing"),
        ({}, "no such track"),
    ):
        with pytest.raises(AnnotationError, match=said):
            read_submission(path, frames=frames)


REFUSED = [
    ("v/1.jpg,0.5,0.1", 3, "a second row for v/1.jpg; the other is line 2"),
    ("v/00002.jpg,-5,-5", 3, r"in \[-1, 1\].*Received: -5"),
    ("v/00002.jpg,nan,0", 3, "not a number"),
    ("v/00002.jpg,0", 3, "wrong number of fields"),
    ("v/00002.jpg", 3, "wrong number of fields"),
    ("\nv/00002.jpg,0,0", 3, "wrong number of fields"),
    ("v/00000.jpg,0,0", 3, "counted from 1"),
    ("../v/00002.jpg,0,0", 3, "not an image name"),
    ("/v/2.jpg,0,0", 3, "not an image name"),
    ("v/2.jpg/../3.jpg,0,0", 3, "not an image name"),
]


@pytest.mark.parametrize("row,line,message", REFUSED)
def test_refused_with_line(tmp_path: Path, row: str, line: int, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"image_location,valence,arousal\nv/00001.jpg,0,0\n{row}\n")
    with pytest.raises(AnnotationError, match=message) as caught:
        read_submission(path)
    assert caught.value.line == line


def test_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("v/1.jpg,0,0\n", "image,valence,arousal\nv/1.jpg,0,0\n", "image_location\nv,0\n"):
        path.write_text(text)
        with pytest.raises(AnnotationError, match="wrong header") as caught:
            read_submission(path)
        assert caught.value.line == 1
    path.write_text("image_location,valence,arousal\nv/1.jpg,0,0\n")
    with pytest.raises(AnnotationError, match="wrong kind of submission. Expected au"):
        read_submission(path, "au")
    path.write_text("image_location,valence,arousal\n")
    with pytest.raises(AnnotationError, match="number of rows"):
        read_submission(path)


@pytest.mark.parametrize(
    "task,columns,values",
    [
        ("va", VALENCE_AROUSAL, [[0.5, 1.0001]]),
        ("va", VALENCE_AROUSAL, [[0.5, float("nan")]]),
        ("va", VALENCE_AROUSAL, [[-5, -5]]),
        ("expression", EXPRESSIONS_7, [7]),
        ("expression", EXPRESSIONS_7, [0.5]),
        ("expression", EXPRESSIONS_7, [-1]),
        ("au", ACTION_UNITS_8, [[0.7] * 8]),
        ("au", ACTION_UNITS_8, [[0] * 7]),
        ("all", LIST_COLUMNS[1:], [[0, 0, 8] + [0] * 12]),
        ("au", EXPRESSIONS_7, [[0] * 7]),
    ],
)
def test_nothing_outside_of_the_label_space_is_written(
    tmp_path: Path, task: str, columns: tuple[str, ...], values: list[list[float]]
) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(AnnotationError):
        write_submission(path, Submission.of_tracks(task, columns, {"v": np.array(values)}))
    assert not path.exists()


@pytest.mark.parametrize("name", ["../v", "/v", "a,b", "a\nb", "", ".", "a/b", "a\\b"], ids=ascii)
def test_a_name_that_would_lead_elsewhere_is_not_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(AnnotationError, match="not an image name"):
        write_submission(path, Submission.of_tracks("expression", EXPRESSIONS_7, {name: [0]}))
    assert not path.exists()


def test_annotation_lists_are_written_and_read_back(tmp_path: Path) -> None:
    rows = [
        f"v{n % 3}/{n + 1:05d}.jpg,{-5 if n % 4 == 0 else n / 40},{n / 50},{n % 9 - 1}"
        + f",{n % 3 - 1}" * 12
        for n in range(30)
    ]
    path, again = tmp_path / "a.txt", tmp_path / "b.txt"
    path.write_text("\n".join([",".join(LIST_COLUMNS), *rows[::-1], rows[4]]) + "\n")
    first = read_annotation_list(path)
    write_annotation_list(again, first)
    second = read_annotation_list(again)
    assert first.duplicates == 1 and second.duplicates == 0
    for name in ("images", "tracks", "frames", "valence_arousal", "va_valid", "expression",
                 "expression_valid", "action_units", "au_valid"):  # fmt: skip
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert again.read_text().splitlines()[1].startswith("v0/00001.jpg,-5,-5,-1,-1,")
