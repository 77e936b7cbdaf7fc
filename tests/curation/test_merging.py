"""Three experts into one annotation: unanimity, one expression a frame, averages in time."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kaffect.cli import main
from kaffect.curation.experts import Ratings, read_experts
from kaffect.curation.merging import MergeSettings, disagreements, estimate_lags, merge
from kaffect.data import read_annotations
from kaffect.data.annotations.files import Annotation
from kaffect.errors import AnnotationError, ConfigError, DatasetError
from kaffect.labels import ACTION_UNITS_8, EXPRESSIONS_7, VALENCE_AROUSAL
from kaffect.metrics import ccc
from tests.data.drawing import HEADERS

PEOPLE = ("anna", "ben", "carl")
COLUMNS = {"va": VALENCE_AROUSAL, "expression": EXPRESSIONS_7, "au": ACTION_UNITS_8}
DTYPES = {"va": np.float64, "expression": np.int32, "au": np.int8}


def ratings(task: str, votes: list) -> Ratings:
    """Of one track; `votes` is [annotators, frames, width]."""
    mark = -5 if task == "va" else -1
    made = []
    for own in votes:
        values = np.array(own, DTYPES[task])
        valid = (values != mark).all(axis=1)
        values[~valid] = mark
        made.append(Annotation(task, COLUMNS[task], values, valid, Path("a.txt")))
    return Ratings("a", task, "train", PEOPLE[: len(votes)], tuple(made))


def units(*first: int) -> list[list[int]]:
    """Frames that differ in AU1 only; -1 misses the whole row."""
    return [[u] * 8 if u < 0 else [u, *[0] * 7] for u in first]


def test_units_count_where_all_agree() -> None:
    votes = ratings("au", [units(1, 1, 0, 1, -1), units(1, 0, 0, 1, 1), units(1, 1, 0, 0, 1)])
    zero = merge(votes, MergeSettings()).annotation
    assert zero.values[:, 0].tolist() == [1, 0, 0, 0, -1]
    assert zero.valid.tolist() == [True, True, True, True, False]
    masked = merge(votes, MergeSettings(units="masked")).annotation
    assert masked.valid.tolist() == [True, False, True, False, False]
    assert masked.values[:, 0].tolist() == [1, -1, 0, -1, -1]
    assert zero.values.dtype == np.int8


def test_expressions_at_full_agreement_only() -> None:
    votes = [[[4], [4], [0], [-1]], [[4], [3], [0], [2]], [[4], [4], [0], [2]]]
    merged = merge(ratings("expression", votes), MergeSettings()).annotation
    assert merged.values[:, 0].tolist() == [4, -1, 0, -1]
    assert merged.values.shape == (4, 1), "one class a frame"
    assert merged.valid.tolist() == [True, False, True, False]


def test_valence_and_arousal_are_averaged() -> None:
    votes = [[[0.3, 0]], [[0.6, 0.5]], [[0.0, 1]]]
    merged = merge(ratings("va", votes), MergeSettings()).annotation
    assert merged.values[0].tolist() == pytest.approx([0.3, 0.5])
    missing = [[[0.3, 0], [-5, -5]], [[-5, -5], [-5, -5]], [[0.5, 0.5], [0.2, 0.2]]]
    merged = merge(ratings("va", missing), MergeSettings()).annotation
    assert merged.valid.tolist() == [True, False], "two of three are enough, one is not"
    assert merged.values[0].tolist() == pytest.approx([0.4, 0.25])


def traces(lags: list[int], frames: int = 400, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """[annotators, frames, 2]: one smooth movement, each annotator late and a little wrong."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(frames + 100, 2))
    smooth = np.stack([np.convolve(c, np.hanning(25) / 12, "same") for c in steps.T], axis=1)
    smooth = np.clip(1.5 * smooth, -0.9, 0.9)
    late = [smooth[50 - lag : 50 - lag + frames] for lag in lags]
    return np.clip(np.stack(late) + noise * rng.normal(size=(len(lags), frames, 2)), -1, 1)


@pytest.mark.parametrize("lags", [[0, 0, 0], [0, 7, 12], [20, 3, 9], [5, 5, 30, 0, 1, 2, 3, 17]])
def test_planted_delays_are_found(lags: list[int]) -> None:
    found = estimate_lags(traces(lags), MergeSettings())
    assert np.abs(found - (np.array(lags) - min(lags))).max() <= 1
    centred = estimate_lags(traces(lags), MergeSettings(reference="mean"))
    assert abs(int(centred.sum())) <= len(lags)


def test_delays_are_corrected_before_averaging() -> None:
    lags, frames = [4, 16, 0], 400
    votes = ratings("va", traces(lags).round(3).tolist())
    truth = traces([0], noise=0)[0]
    corrected = merge(votes, MergeSettings())
    plain = merge(votes, MergeSettings(max_lag=0))
    assert np.abs(corrected.lags - lags).max() <= 1
    assert plain.lags.tolist() == [0, 0, 0]
    inside = slice(0, frames - 20)
    better = np.mean(ccc(truth[inside], corrected.annotation.values[inside]))
    worse = np.mean(ccc(truth[inside], plain.annotation.values[inside]))
    assert better > 0.97 and worse < better - 0.1
    # The file of whoever is late ends early; where two of three are silent there is no label.
    late = sorted(corrected.lags.tolist())[1]
    assert corrected.annotation.valid.tolist() == [n < frames - late for n in range(frames)]


def test_unrelated_or_still_annotators_are_not_moved() -> None:
    rng = np.random.default_rng(0)
    still = np.full((3, 200, 2), 0.25)
    assert estimate_lags(still, MergeSettings()).tolist() == [0, 0, 0]
    noise = rng.uniform(-1, 1, (3, 4000, 2))
    assert estimate_lags(noise, MergeSettings()).tolist() == [0, 0, 0]
    assert estimate_lags(noise[:, :1], MergeSettings()).tolist() == [0, 0, 0]


def test_list_for_review() -> None:
    votes = ratings(
        "au", [units(0, 1, 1, 0, 1, 1), units(0, 0, 0, 0, 0, 1), units(0, 0, 0, 0, 1, 1)]
    )
    found = list(disagreements(merge(votes, MergeSettings()), MergeSettings()))
    assert [(d.label, d.first_frame, d.last_frame, d.said) for d in found] == [
        ("AU1", 2, 3, ("1", "0", "0")),
        ("AU1", 5, 5, ("1", "0", "1")),
    ]
    names = ratings("expression", [[[0], [4], [4]], [[0], [0], [4]], [[0], [0], [5]]])
    found = list(disagreements(merge(names, MergeSettings()), MergeSettings()))
    assert [(d.first_frame, d.last_frame, d.said) for d in found] == [
        (2, 2, ("Happiness", "Neutral", "Neutral")),
        (3, 3, ("Happiness", "Happiness", "Sadness")),
    ]
    va = ratings("va", [[[0.0, 0], [0.8, 0], [0.9, 0]], [[0.1, 0], [0.0, 0.4], [0.1, 0]]])
    found = list(disagreements(merge(va, MergeSettings(max_lag=0)), MergeSettings()))
    assert [(d.label, d.first_frame, d.last_frame, d.said) for d in found] == [
        ("valence", 2, 3, ("0.85", "0.05"))
    ]


def test_settings() -> None:
    for wrong in ({"units": "any"}, {"reference": "last"}, {"max_lag": -1}, {"review_range": 0}):
        with pytest.raises(ConfigError):
            MergeSettings(**wrong)  # type: ignore[arg-type]


def put(root: Path, person: str, task: str, track: str, lines: list[str], split: str = "") -> Path:
    path = root / person / f"{task}_Set" / split / f"{track}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADERS[task], *lines]) + "\n")
    return path


@pytest.fixture
def experts(tmp_path: Path) -> Path:
    """Three experts, two tracks; valence and arousal late by 0, 6 and 11 frames."""
    root = tmp_path / "experts"
    moved = traces([0, 6, 11])
    for number, person in enumerate(PEOPLE):
        va = [f"{v:.3f},{a:.3f}" for v, a in moved[number].tolist()]
        put(root, person, "VA", "a", va, "Training_Set")
        classes = [str(n // 100 if n % 100 >= number else 6) for n in range(400)]
        put(root, person, "EXPR", "a", classes, "Training_Set")
        active = [f"{int(n > 200 + 10 * number)},0,0,0,1,0,0,0" for n in range(400)]
        put(root, person, "AU", "b", active, "Validation_Set")
    return root


def test_command(experts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "merged"
    assert main(["data", "merge-annotators", str(experts), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Median delay in frames that was corrected: anna 0, ben 6, carl 11." in printed
    written = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert written == [
        "agreement.json",
        "agreement.md",
        "annotations/AU_Set/Validation_Set/b.txt",
        "annotations/EXPR_Set/Training_Set/a.txt",
        "annotations/VA_Set/Training_Set/a.txt",
        "disagreements.csv",
    ]
    units_read = read_annotations(out / "annotations/AU_Set/Validation_Set/b.txt").values[:, 0]
    assert units_read.tolist() == [int(n > 220) for n in range(400)]
    report = json.loads((out / "agreement.json").read_text())
    au = report["tasks"]["au"]["action units"]
    # By hand: 3 ones on 179 frames, 2 on 10, 1 on 10, 0 on 201; p = 567 / 1200.
    share = (3 * 179 + 2 * 10 + 10) / 1200
    observed = (380 + 20 / 3) / 400
    chance = share**2 + (1 - share) ** 2
    assert au["AU1"]["kappa"] == pytest.approx((observed - chance) / (1 - chance), abs=1e-6)
    assert (au["AU1"]["marked by any"], au["AU1"]["marked by all"]) == (199, 179)
    assert au["AU2"]["kappa"] is None and au["AU12"]["kappa"] is None
    expression = report["tasks"]["expression"]
    assert expression["all expressions"]["unanimous"] == pytest.approx((400 - 8) / 400)
    assert expression["labelled frames"] == 392
    va = report["tasks"]["va"]
    assert va["valence"]["delays corrected"]["mean ccc"] > 0.95
    assert va["valence"]["as annotated"]["mean ccc"] < 0.85
    assert set(va["arousal"]["delays corrected"]["ccc"]) == {
        "anna and ben", "anna and carl", "ben and carl",
    }  # fmt: skip
    rows = list(csv.DictReader((out / "disagreements.csv").read_text().splitlines()))
    assert rows[-1]["label"] == "AU1" and report["disagreements"] == len(rows)
    assert {
        "track": "b", "task": "au", "label": "AU1", "first_frame": "202", "last_frame": "211",
        "frames": "10", "said": "anna: 1; ben: 0; carl: 0",
    } in rows  # fmt: skip
    assert main(["data", "merge-annotators", str(experts), "--out", str(out)]) == 2


def test_the_same_input_gives_the_same_bytes(experts: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(["data", "merge-annotators", str(experts), "--out", str(tmp_path / name)]) == 0
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_an_incomplete_track(
    experts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (experts / "ben/AU_Set/Validation_Set/b.txt").unlink()
    put(experts, "ben", "AU", "c", ["0,0,0,0,0,0,0,0"])
    command = ["data", "merge-annotators", str(experts), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "au of track 'b': no file of ben" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*command, "--keep-going"]) == 0
    assert "not merged: au of track 'c': no file of anna, carl" in capsys.readouterr().out


def test_what_does_not_fit_is_refused(experts: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="each of two or more annotators"):
        read_experts(tmp_path / "nowhere")
    put(experts, "ben", "AU", "b", ["0,0,0,0,0,0,0,0"], "Validation_Set")
    with pytest.raises(AnnotationError, match="lines for 1 frames, but"):
        read_experts(experts)
    put(experts, "ben", "AU", "b", ["0,0,0,0,0,0,0,0"])
    with pytest.raises(DatasetError, match="a second annotation of the same task"):
        read_experts(experts)
    (experts / "ben/AU_Set/b.txt").unlink()
    path = put(experts, "ben", "AU", "b", ["0,0,0,0,0,0,0,2"], "Validation_Set")
    with pytest.raises(AnnotationError) as caught:
        read_experts(experts)
    assert (caught.value.path, caught.value.line) == (path, 2)
    path.unlink()
    path.symlink_to(tmp_path / "outside.txt")
    with pytest.raises(DatasetError, match="leaves the folder"):
        read_experts(experts)


def test_original_aff_wild_of_two_annotators(tmp_path: Path) -> None:
    """Without header: one file for valence, one for arousal; any folders between."""
    for person, value in (("p1", "0.5"), ("p2", "0.25")):
        for part in ("valence", "arousal"):
            path = tmp_path / person / "x" / part / "105.txt"
            path.parent.mkdir(parents=True)
            path.write_text(f"{value}\n-0.5\n")
    (found,), lacking = read_experts(tmp_path)
    assert (found.task, found.split, found.annotators) == ("va", "train", ("p1", "p2"))
    assert not lacking
    merged = merge(found, MergeSettings()).annotation
    assert merged.values.tolist() == [[0.375, 0.375], [-0.5, -0.5]]
