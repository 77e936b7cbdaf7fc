"""Annotation text of every release: what is read, what is refused and where (Section III-C)."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaffect.data import Annotation, read_annotations, write_annotations
from kaffect.data.annotations import files as annotations
from kaffect.data.annotations import numbers as number_text
from kaffect.errors import AnnotationError
from kaffect.labels import ACTION_UNITS_8, ACTION_UNITS_12, EXPRESSIONS_7, EXPRESSIONS_8
from tests.data.mutation import mutate

VA = "valence,arousal"
EXPR7, EXPR8 = ",".join(EXPRESSIONS_7), ",".join(EXPRESSIONS_8)
AU8, AU12 = ",".join(ACTION_UNITS_8), ",".join(ACTION_UNITS_12)
FORMATS = {VA: "va", EXPR7: "expression", EXPR8: "expression", AU8: "au", AU12: "au"}


def put(folder: Path, data: str | bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_valence_arousal(tmp_path: Path) -> None:
    path = put(tmp_path, f"{VA}\n0.5,-0.25\n-5,-5\n1,-1\n-5.0,0.3\n0,-5\n-0.0,0.000001\n")
    read = read_annotations(path)
    assert (read.task, read.columns, read.path) == ("va", ("valence", "arousal"), path)
    assert read.valid.tolist() == [True, False, True, False, False, True]
    assert read.values[read.valid].tolist() == [[0.5, -0.25], [1, -1], [0, 0.000001]]
    assert (read.values[~read.valid] == -5).all()


@pytest.mark.parametrize("header,classes", [(EXPR7, 7), (EXPR8, 8)])
def test_expressions(tmp_path: Path, header: str, classes: int) -> None:
    labels = [*range(classes), -1, 0]
    read = read_annotations(put(tmp_path, "\n".join([header, *map(str, labels)])))
    assert read.task == "expression"
    assert len(read.columns) == classes
    assert read.values.tolist() == [[label] for label in labels]
    assert read.valid.tolist() == [label >= 0 for label in labels]


@pytest.mark.parametrize("header,units", [(AU8, 8), (AU12, 12)])
def test_action_units(tmp_path: Path, header: str, units: int) -> None:
    rows = [[n % 2 for n in range(units)], [-1] * units, [0] * (units - 1) + [-1]]
    text = "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"
    read = read_annotations(put(tmp_path, text))
    assert (read.task, len(read.columns)) == ("au", units)
    assert read.valid.tolist() == [True, False, False]
    assert read.values.tolist() == [rows[0], [-1] * units, [-1] * units]


@pytest.mark.parametrize("task", ["valence", "arousal"])
def test_original_aff_wild_has_no_header(tmp_path: Path, task: str) -> None:
    read = read_annotations(put(tmp_path / "train" / task, "0.5\n-0.125\n1\n", "105.txt"))
    assert (read.task, read.columns) == (task, (task,))
    assert read.values.tolist() == [[0.5], [-0.125], [1]]
    assert read.valid.all()


def test_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    plain = read_annotations(put(tmp_path, f"{VA}\n0.5,0.1\n-5,-5\n"))
    windows = f"\ufeff{VA}\r\n0.5,0.1\r\n-5,-5\r\n".encode()
    for data in (windows, f"{VA}\n0.5,0.1\n-5,-5".encode()):
        read = read_annotations(put(tmp_path, data))
        assert read.values.tolist() == plain.values.tolist()


def test_forgiving_where_nothing_is_lost(tmp_path: Path) -> None:
    """Blank lines at the end, spaces after a comma, decimals and exponents for any number."""
    text = "valence, arousal\n.5, -1.0\n1e-05,-.25\n-5.0,0.3\n\n \n"
    va = read_annotations(put(tmp_path, text))
    assert va.values.tolist() == [[0.5, -1], [1e-05, -0.25], [-5, -5]]
    assert va.valid.tolist() == [True, True, False]
    classes = read_annotations(put(tmp_path, f"{EXPR7}\r\n3.0\r\n-1.0\r\n6\r\n\r\n\r\n"))
    assert classes.values.tolist() == [[3], [-1], [6]] and classes.values.dtype == np.int32
    units = read_annotations(put(tmp_path, f"{AU8}\n1.0, 0, 0,0,0,0,0,1\n-1,0,0,0,0,0,0,0\n\n"))
    assert units.values.tolist() == [[1, 0, 0, 0, 0, 0, 0, 1], [-1] * 8]
    plain = read_annotations(put(tmp_path / "valence", "0.5\n1e-3\n\n"))
    assert plain.values.tolist() == [[0.5], [0.001]]


REFUSED = {
    "no_header": ("0.1,0.2\n0.3,0.4\n", 1, "wrong header"),
    "other_header": ("valence,Arousal\n0,0\n", 1, "valence,Arousal"),
    "shuffled_units": ("AU2,AU1,AU4,AU6,AU12,AU15,AU20,AU25\n", 1, "wrong header"),
    "empty": ("", 1, "empty"),
    "blank": ("\n", 1, "empty"),
    "header_alone": (f"{VA}\n", 2, "no line for any frame"),
    "too_large": (f"{VA}\n0,0\n0,1.0001\n", 3, "arousal must be in [-1, 1]"),
    "far_too_large": (f"{VA}\n0,{'9' * 400}\n", 2, "arousal must be"),
    "minus_four": (f"{VA}\n-4,0\n", 2, "valence must be"),
    "one_field": (f"{VA}\n0.1\n", 2, "wrong number of fields. Expected 2"),
    "three_fields": (f"{VA}\n0,0\n0.1,0.2,0.3\n", 3, "Received 3"),
    "fields_moved": (f"{VA}\n0\n0,0,0\n", 2, "wrong number of fields"),
    "blank_line": (f"{VA}\n0,0\n\n0,0\n", 3, "a blank line: each line is a frame"),
    "spaces_alone": (f"{VA}\n0,0\n  \n0,0\n\n", 3, "a blank line: each line is a frame"),
    "blank_class": (f"{EXPR7}\n0\n\n0\n", 3, "a blank line: each line is a frame"),
    "class_7_of_7": (f"{EXPR7}\n6\n7\n", 3, "0 to 6"),
    "class_8_of_8": (f"{EXPR8}\n8\n", 2, "0 to 7"),
    "class_decimal": (f"{EXPR7}\n1.5\n", 2, "0 to 6"),
    "class_minus_2": (f"{EXPR7}\n-2\n", 2, "0 to 6"),
    "two_classes": (f"{EXPR7}\n1,2\n", 2, "wrong number of fields"),
    "half_a_unit": (f"{AU8}\n0,0,0,0,0,0,0,0.5\n", 2, "AU25 must be 0, 1, or -1"),
    "unit_2": (f"{AU8}\n0,0,0,0,0,0,0,2\n", 2, "AU25 must be 0, 1, or -1"),
    "unit_missing": (f"{AU8}\n0,0,0,0,0,0,0\n", 2, "Expected 8"),
    "nul": (f"{VA}\n0,0\n0,\0 0\n", None, "NUL"),
    "utf16": (f"{VA}\n0,0\n".encode("utf-16"), None, "NUL"),
    "binary": (bytes(range(1, 256)) * 3, 1, "wrong header"),
}  # fmt: skip
NOT_NUMBERS = [
    "nan", "inf", "-inf", "1_0", "0x1", "1e", "e5", "1e-", "1e.5", "1E+", ".e1", "+-0.5",
    "--1", "1-", "0..1", "0.1.2", "- 1", "0. 1", "0.1 0.2", "", " ", "-", ".", "٠", "１", "0,5;",
    "'0'", '"0"', "None", "\t0", "1d0", "1e0x",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_file_and_line(tmp_path: Path, name: str) -> None:
    text, line, message = REFUSED[name]
    path = put(tmp_path, text)
    with pytest.raises(AnnotationError) as caught:
        read_annotations(path)
    assert caught.value.path == path
    if line is not None:
        assert caught.value.line == line
        assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("number", NOT_NUMBERS, ids=ascii)
@pytest.mark.parametrize("place", [0, 1])
def test_not_a_number(tmp_path: Path, number: str, place: int) -> None:
    fields = ["0.25", "0.25"]
    fields[place] = number
    path = put(tmp_path, "\n".join([VA, *["0.1,0.2"] * 40, ",".join(fields), "0,0"]))
    with pytest.raises(AnnotationError) as caught:
        read_annotations(path)
    assert caught.value.line == 42


def test_what_is_not_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.txt", tmp_path / "a\0b.txt"):
        with pytest.raises(AnnotationError) as caught:
            read_annotations(path)
        assert str(path) in str(caught.value)


def test_wrong_task_for_the_place(tmp_path: Path) -> None:
    path = put(tmp_path, f"{EXPR7}\n0\n")
    with pytest.raises(AnnotationError, match="Expected 'va' here. Received: 'expression'"):
        read_annotations(path, task="va")


def test_too_many_lines_or_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, f"{EXPR7}\n" + "0\n" * 21)
    monkeypatch.setattr(annotations, "MAX_LINES", 21)
    assert len(read_annotations(path)) == 21
    monkeypatch.setattr(annotations, "MAX_LINES", 20)
    with pytest.raises(AnnotationError, match="at most 20") as caught:
        read_annotations(path)
    assert caught.value.line == 22
    monkeypatch.setattr(number_text, "MAX_BYTES", 50)
    with pytest.raises(AnnotationError, match="at most 50 bytes"):
        read_annotations(path)


def test_reads_long_files_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (500, 2)).round(6)
    lines = [f"{v:.6f},{a:.6f}" for v, a in values.tolist()]
    path = put(tmp_path, "\n".join([VA, *lines]))
    for size in (1, 7, 100, 10_000_000):
        monkeypatch.setattr(number_text, "_CHUNK", size)
        assert read_annotations(path).values.tolist() == values.tolist()


def test_good_text_is_read_the_fast_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow reader is for errors only: nothing valid may fall back to it."""
    monkeypatch.setattr(annotations.LabelText, "faults", None)
    read_annotations(put(tmp_path, f"{VA}\n0.5,-1\n-5,-5\n0,00.5\n1e-05, .5\n"))
    read_annotations(put(tmp_path, f"{EXPR8}\n7\n-1\n3.0\n\n"))
    read_annotations(put(tmp_path, f"{AU12}\n" + ",".join(["1", "-1"] * 6)))


numbers = st.one_of(
    st.just(-5.0),
    st.sampled_from([0.0, 1.0, -1.0]),
    st.floats(-1, 1).map(lambda v: v + 0.0),
    st.integers(-1000, 1000).map(lambda n: n / 1000),
)


@st.composite
def annotation_objects(draw: st.DrawFn) -> Annotation:
    header = draw(st.sampled_from([*FORMATS, "valence", "arousal"]))
    task = FORMATS.get(header, header)
    columns = tuple(header.split(","))
    frames = draw(st.integers(1, 12))
    width = 1 if task == "expression" else len(columns)
    cell = {"expression": st.integers(-1, len(columns) - 1), "au": st.integers(-1, 1)}
    row = st.lists(cell.get(task, numbers), min_size=width, max_size=width)
    values = np.array(draw(st.lists(row, min_size=frames, max_size=frames)), float)
    mark = -1 if task in cell else -5
    valid = (values != mark).all(axis=1)
    values[~valid] = mark
    return Annotation(task, columns, values.astype(int) if task in cell else values, valid, Path())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(annotation=annotation_objects())
def test_written_text_reads_back_as_the_same(tmp_path: Path, annotation: Annotation) -> None:
    path = tmp_path / annotation.task / "a.txt"
    write_annotations(path, annotation)
    again = read_annotations(path)
    assert (again.task, again.columns) == (annotation.task, annotation.columns)
    assert again.values.tolist() == annotation.values.tolist()
    assert again.valid.tolist() == annotation.valid.tolist()


def test_nothing_outside_of_the_label_space_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for task, columns, value in (
        ("va", ("valence", "arousal"), [[0.5, float("nan")]]),
        ("va", ("valence", "arousal"), [[0.5, 1.5]]),
        ("expression", EXPRESSIONS_7, [[7]]),
        ("au", ACTION_UNITS_8, [[2] * 8]),
        ("valence", ("valence",), [[0.5]]),  # a file without header needs its folder
    ):
        values = np.array(value)
        with pytest.raises(AnnotationError):
            write_annotations(path, Annotation(task, columns, values, np.ones(1, bool), path))
    assert not path.exists()


# --- hostile text -----------------------------------------------------------------------------


def oracle(data: bytes) -> tuple[str, list[list[Decimal]]] | None:
    """An independent reader: regular expressions and decimals; None if anything is wrong."""
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    try:
        text = data.decode("ascii").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return None
    header, *lines = re.sub(r"[ \n]*\Z", "", text).split("\n")
    header = re.sub(" *, *", ",", header.strip(" "))
    if header not in FORMATS or not lines:
        return None
    task, names = FORMATS[header], header.split(",")
    number = r" *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *"
    patterns = {
        "va": [number] * 2,
        "expression": [number],
        "au": [number] * len(names),
    }
    rows = []
    for line in lines:
        if not re.fullmatch(",".join(patterns[task]), line, re.ASCII):
            return None
        row = [Decimal(field.strip(" ")) for field in line.split(",")]
        accepted = {"expression": range(-1, len(names)), "au": (-1, 0, 1)}
        if task == "va" and not all(abs(float(v)) <= 1 or float(v) == -5 for v in row):
            return None
        if task != "va" and not all(float(v) in accepted[task] for v in row):
            return None
        rows.append(row)
    return task, rows


SEEDS = [
    f"{VA}\n0.5,-0.25\n-5,-5\n1,-1\n0,0.125\n",
    f"{EXPR7}\n0\n6\n-1\n3\n3\n",
    f"{EXPR8}\n7\n-1\n0\n",
    f"{AU8}\n0,1,0,1,0,1,0,1\n-1,-1,-1,-1,-1,-1,-1,-1\n1,1,1,1,1,1,1,1\n",
    f"{AU12}\n" + "0,1,0,1,0,1,0,1,1,1,0,0\n" * 3,
]


def check_mutations(folder: Path, count: int, seed: int) -> int:
    """Read `count` mutated files against the oracle; give how many were refused."""
    chance = random.Random(seed)
    refused = 0
    for number in range(count):
        data = mutate(chance.choice(SEEDS).encode(), chance)
        path = put(folder, data)
        expected = oracle(data)
        try:
            read = read_annotations(path)
        except AnnotationError as error:  # any other exception fails the test
            refused += 1
            assert expected is None, f"mutation {number} is sound but was refused: {error}"
            assert error.path == path and str(path) in str(error)
            if b"\0" not in data:
                assert error.line is not None and 1 <= error.line <= data.count(b"\n") + 2
            continue
        assert expected is not None, f"mutation {number} was accepted: {data!r}"
        check_label_space(read, *expected)
    return refused


def check_label_space(read: Annotation, task: str, rows: list[list[Decimal]]) -> None:
    assert read.task == task
    mark = -5 if task == "va" else -1
    assert read.valid.tolist() == [mark not in row for row in rows]
    for got, row, valid in zip(read.values, rows, read.valid):
        assert got.tolist() == ([float(v) for v in row] if valid else [mark] * len(row))


def test_mutated_files(tmp_path: Path) -> None:
    refused = check_mutations(tmp_path, 600, seed=1)
    assert 300 < refused < 600, "the corpus should hold sound and unsound files"


@pytest.mark.nightly
def test_mutated_files_at_length(tmp_path: Path) -> None:
    assert 5_000 < check_mutations(tmp_path, 10_000, seed=2) < 10_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=80), header=st.sampled_from(["", *FORMATS]))
def test_any_bytes(tmp_path: Path, data: bytes, header: str) -> None:
    whole = header.encode() + b"\n" + data if header else data
    path = put(tmp_path, whole)
    try:
        read = read_annotations(path)
    except AnnotationError:
        assert oracle(whole) is None
    else:
        expected = oracle(whole)
        assert expected is not None
        check_label_space(read, *expected)


def test_reading_needs_no_tensorflow(tmp_path: Path) -> None:
    path = put(tmp_path, f"{VA}\n0,0\n")
    program = (
        "import sys; from kaffect.data import read_annotations;"
        f"print(len(read_annotations({str(path)!r})));"
        "print(any(name in sys.modules for name in ('tensorflow', 'keras', 'av', 'cv2')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.stdout.split() == ["1", "False"]
