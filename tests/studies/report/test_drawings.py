"""Pictures of a report: scores of each class, calibration, and what learning curves are of."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kaffect.studies.report import drawings
from kaffect.studies.report.drawings import calibration, class_scores, scores_by_class

NAMES = ("Neutral", "Anger", "Fear", "Other")


def test_scores_of_each_class_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    true, said = rng.integers(0, 3, 200), rng.integers(0, 3, 200)  # Other: never
    found = scores_by_class(confusion_matrix(true, said, labels=range(4)))
    oracle = precision_recall_fscore_support(true, said, labels=range(4), zero_division=0)
    for values, wanted in zip((found["precision"], found["recall"], found["F1"]), oracle):
        np.testing.assert_allclose(values, wanted)
    assert found["F1"][3] == 0.0


def picture(png: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return found


def test_other_scores_are_another_picture() -> None:
    detail = {"classes": NAMES, "matrix": (np.eye(4, dtype=int) * 5).tolist()}
    worse = {"classes": NAMES, "matrix": (np.eye(4, dtype=int)[::-1] * 5).tolist()}
    assert class_scores(detail) == class_scores(detail)
    assert (picture(class_scores(detail)) != picture(class_scores(worse))).mean() > 0.01


def test_calibration_before_and_after_stand_side_by_side() -> None:
    own = {"count": [0, 5], "confidence": [0.0, 0.9], "accuracy": [0.0, 0.5]}
    detail = {"before": own, "after": {**own, "accuracy": [0.0, 0.9]}, "ece": 0.4, "ece_scaled": 0}
    shown = picture(calibration(detail))
    half = shown.shape[1] // 2
    other = picture(calibration({**detail, "after": own}))
    assert (shown[:, half:] != other[:, half:]).mean() > 0.01
    assert (shown[:, : half - 20] == other[:, : half - 20]).all()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were drawn."""
    found: list[Figure] = []
    monkeypatch.setattr(drawings, "png", lambda figure, dots: found.append(figure) or b"")
    return found


def record(row: int, losses: dict[str, list[float]]) -> dict[str, Any]:
    count = len(next(iter(losses.values())))
    history = [
        {
            "step": 10 * (place + 1),
            "train": {name: values[place] for name, values in losses.items()},
            "validation": {"score": 0.1 * place},
        }
        for place in range(count)
    ]
    return {"row": row, "seed": 0, "history": history, "best_step": 10 * count}


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["loss"], "training loss"),
        (["generator_loss", "discriminator_loss"], "loss of the discriminator"),
    ],
)
def test_curves_show_the_loss_of_every_row(
    names: list[str], label: str, drawn: list[Figure]
) -> None:
    losses = {name: [3.0 - place, 2.0] for place, name in enumerate(names)}
    assert drawings.curves([record(1, losses), {"row": "constant"}, record(2, losses)]) == b""
    left, right = drawn[0].axes
    assert left.get_ylabel() == label
    wanted = losses[names[-1]]
    assert [list(line.get_ydata()) for line in left.lines] == [wanted] * 2
    chosen = [line for line in right.lines if line.get_marker() == "o"]
    assert [(list(c.get_xdata()), list(c.get_ydata())) for c in chosen] == [([20], [0.1])] * 2


def test_without_a_history_there_are_no_curves(drawn: list[Figure]) -> None:
    assert drawings.curves([{"row": 1, "history": []}, {"row": "constant"}]) is None
    assert not drawn
