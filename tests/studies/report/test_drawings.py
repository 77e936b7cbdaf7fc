"""Scores of each class against scikit-learn; the drawn pictures of them and of calibration."""

from __future__ import annotations

import cv2
import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

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
