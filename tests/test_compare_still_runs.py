"""The comparison of trainings on still pictures, against scikit-learn."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from kaffect.errors import ConfigError
from scripts.compare_still_runs import answers, compared

LABELS = np.random.default_rng(0).integers(0, 3, 300)


def said(seed: int, share: float) -> np.ndarray:
    """Right with probability `share`, else at random."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(300) < share, LABELS, rng.integers(0, 3, 300))


def test_the_difference_is_that_of_the_means() -> None:
    first, second = [said(1, 0.7), said(2, 0.7)], [said(3, 0.4), said(4, 0.4)]
    lines = dict(line.split(": ", 1) for line in compared(LABELS, [first, second]))
    means = [np.mean([(one == LABELS).mean() for one in side]) for side in (first, second)]
    assert lines["accuracy first"].startswith(f"mean {means[0]:.4f}")
    assert lines["accuracy first - second"].startswith(f"{means[0] - means[1]:+.4f} [")
    assert "2 seeds" in lines["accuracy first - second"]
    scores = [f1_score(LABELS, one, average="macro") for one in first]
    each = ", ".join(f"{score:.4f}" for score in scores)
    assert lines["f1_macro first"] == f"mean {np.mean(scores):.4f} (of {each})"


def test_one_run_each_is_compared_over_pictures_alone() -> None:
    lines = compared(LABELS, [[said(1, 0.7)], [said(3, 0.4)]])
    assert sum(line.endswith("over pictures; one run each") for line in lines) == 2


def test_answers_go_by_the_path_of_the_picture(tmp_path: Path) -> None:
    with open(tmp_path / "predictions.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "expression"), ("b.png", "Fear"), ("a.png", "Anger")])
    classes = ("Anger", "Fear")
    assert answers(tmp_path, ["a.png", "b.png"], classes).tolist() == [0, 1]
    with pytest.raises(ConfigError, match="pictures. Expected the 1 of the list. Received: 2"):
        answers(tmp_path, ["a.png"], classes)
