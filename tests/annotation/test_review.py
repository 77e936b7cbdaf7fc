"""The supervisor's view: agreement, runs to look at, unanimity, the evaluator-weighted mean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kaffect.annotation.project import Project
from kaffect.annotation.review import Review
from kaffect.annotation.review_site import ReviewSite
from kaffect.cli import main
from kaffect.data import read_annotations
from kaffect.errors import DatasetError
from kaffect.metrics.agreement import evaluator_weights
from tests.annotation.pages import listening
from tests.annotation.test_export import FRAMES, done, put, write
from tests.annotation.test_server import ask


def trace(name: str, values: np.ndarray) -> list[dict[str, object]]:
    """A take with a position for each frame, [frames, 2]."""
    rows = [[n / 30, n, float(x), float(y), 1.0] for n, (x, y) in enumerate(values)]
    return [
        {"kind": "take", "take": name, "device": "mouse", "mode": "bounded", "speed": 1,
         "dimensions": ["valence", "arousal"]},
        {"kind": "samples", "take": name, "samples": rows},
        {"kind": "take-end", "take": name, "end": len(values) / 30},
    ]  # fmt: skip


@pytest.fixture
def three(project: Project) -> Project:
    """Three experts who agree on much: units, expressions, and traces; carl traced nothing."""
    curve = np.stack([np.sin(np.arange(FRAMES) / 6), np.cos(np.arange(FRAMES) / 9)], 1) * 0.5
    for name, last, word, gain in (
        ("anna", 29, "Happiness", 1.0), ("ben", 24, "Happiness", 0.8), ("carl", 29, "Fear", 0.0),
    ):  # fmt: skip
        write(
            project, name,
            put(["AU12", 10, last, "present"], ["AU1", 40, 45, "present"]),
            put(["expression", 0, 9, "Neutral"], ["expression", 10, 29, word]),
            *trace("t1", gain * curve), done("au"), done("va"), done("expression"),
            {"kind": "comment", "frame": 12, "text": f"<script>alert('{name}')</script>"},
        )  # fmt: skip
    return project


def test_the_report(three: Project) -> None:
    report = Review(three).report()
    assert [p["name"] for p in report["annotators"]] == ["anna", "ben", "carl"]
    assert report["annotators"][0]["done"] == {"va": 1, "expression": 1, "au": 1}
    by_task = {video["task"]: video for video in report["videos"]}
    units = by_task["au"]["agreement"]["action units"]
    assert units["AU12"]["marked by any"] == 20 and units["AU12"]["marked by all"] == 15
    assert units["AU1"]["kappa"] == 1.0
    runs = by_task["au"]["runs"]
    assert [(r["label"], r["first"], r["last"]) for r in runs] == [("AU12", 26, 30)]
    assert runs[0]["said"] == {"anna": "1", "ben": "0", "carl": "1"}
    expression = by_task["expression"]["runs"]
    assert [(r["first"], r["last"]) for r in expression] == [(11, 30)]
    weights = by_task["va"]["weighted"]["valence"]["weights"]
    assert weights["carl"] == 0 and weights["anna"] == pytest.approx(0.5, abs=0.01)
    assert report["lacking"] == []


def test_the_selection_is_a_tree_that_passes_the_check(three: Project, tmp_path: Path) -> None:
    out = tmp_path / "selected"
    assert main(["annotate", "--project", str(three.root), "--review", "--export", str(out)]) == 0
    assert main(["data", "check", str(out), "--decode"]) == 0
    au = read_annotations(out / "annotations/AU_Set/Training_Set/film.txt").values
    assert np.flatnonzero(au[:, 4]).tolist() == list(range(10, 25)), "where all three agree"
    classes = read_annotations(out / "annotations/EXPR_Set/Training_Set/film.txt").values[:, 0]
    assert classes.tolist() == [0] * 10 + [-1] * (FRAMES - 10)
    plain = read_annotations(out / "annotations/VA_Set/Training_Set/film.txt").values
    folder = out / "evaluator_weighted_mean/VA_Set/Training_Set/film.txt"
    weighted = read_annotations(folder).values
    curve = np.sin(np.arange(FRAMES) / 6) * 0.5
    np.testing.assert_allclose(plain[:, 0], curve * 0.6, atol=2e-5)
    np.testing.assert_allclose(weighted[:, 0], curve * 0.9, atol=2e-5)
    assert main(["annotate", "--project", str(three.root), "--review", "--export", str(out)]) == 2


def test_what_somebody_has_not_finished_is_not_selected(three: Project, tmp_path: Path) -> None:
    for name in ("anna", "ben"):
        write(three, name, put(["expression", 0, 5, "Fear"], video="double"),
              {**done("expression"), "video": "double"})  # fmt: skip
    report = Review(three).report()
    assert report["lacking"] == ["expression of track 'double': not finished by carl"]
    assert len([v for v in report["videos"] if v["video"] == "double"]) == 1, "but it is shown"
    Review(three).select(tmp_path / "out")
    assert [p.name for p in (tmp_path / "out/videos").iterdir()] == ["film.mp4"]


def test_one_annotator_is_no_agreement(project: Project, tmp_path: Path) -> None:
    write(project, "anna", put(["expression", 0, 9, "Fear"]), done("expression"))
    write(project, "ben", put(["expression", 0, 9, "Anger"]))
    report = Review(project).report()
    assert report["videos"] == []
    assert report["lacking"] == ["expression of track 'film': only anna finished it"]
    with pytest.raises(DatasetError, match="finished by all of its annotators"):
        Review(project).select(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_page_sees_logs_grow(three: Project) -> None:
    with listening(ReviewSite(Review(three))) as server:
        before = json.loads(ask(server.port, "GET", "/api/review")[2])
        write(three, "dora", put(["AU1", 40, 45, "present"]), done("au"))
        after = json.loads(ask(server.port, "GET", "/api/review")[2])
        assert len(before["annotators"]) == 3 and len(after["annotators"]) == 4
        au = next(v for v in after["videos"] if v["task"] == "au")
        assert au["agreement"]["action units"]["AU12"]["marked by all"] == 0
        assert au["agreement"]["annotators"] == ["anna", "ben", "carl", "dora"]
        assert ask(server.port, "POST", "/api/select", {}, Origin="http://evil.example")[0] == 403
        assert not (three.root / "selections").exists()
        status, _, body = ask(server.port, "POST", "/api/select", {})
        assert status == 200 and (Path(json.loads(body)["written"]) / "annotations").is_dir()
        assert ask(server.port, "POST", "/api/events", {"events": []})[0] == 404


def test_evaluator_weights_by_hand() -> None:
    """Beside NumPy's correlation with the mean of all raters."""
    rng = np.random.default_rng(1)
    signal = rng.normal(size=300)
    ratings = np.stack([signal, signal + rng.normal(size=300), rng.normal(size=300)], axis=1)
    mean = ratings.mean(axis=1)
    expected = np.array([np.corrcoef(ratings[:, k], mean)[0, 1] for k in range(3)])
    np.testing.assert_allclose(evaluator_weights(ratings), expected / expected.sum())
    assert evaluator_weights(np.ones((5, 4))).tolist() == [0.25] * 4
    assert evaluator_weights(np.zeros((0, 2))).tolist() == [0.5, 0.5]
    mirrored = np.stack([signal, signal, -signal], axis=1)
    np.testing.assert_allclose(evaluator_weights(mirrored), [0.5, 0.5, 0])
