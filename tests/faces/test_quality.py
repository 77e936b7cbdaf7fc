"""Size, blur and occlusion of faces: planted ones are told from none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from kaffect.faces.quality import blur, face_size
from kaffect.faces.reading import read_faces_of

from .heads import head

PEOPLE = 12


def covered(image: np.ndarray, box: np.ndarray, top: float, colour: int) -> np.ndarray:
    """A band over 0.3 of the face's height."""
    left, first, right, last = box.astype(int)
    height = last - first
    image = image.copy()
    image[first + int(top * height) : first + int((top + 0.3) * height), left:right] = colour
    return image


def test_planted_blur_and_covers_are_told_from_none() -> None:
    """AUC at least 0.9 of a dozen people; scripts/measure_head.py measures many."""
    faces = [head(seed, (10 * (seed % 3 - 1), 0, 0)) for seed in range(PEOPLE)]
    truth = [0] * PEOPLE + [1] * PEOPLE
    clear = [read_faces_of(image, [box])[0] for image, box in faces]
    soft = [
        read_faces_of(cv2.GaussianBlur(image, (0, 0), 0.03 * (box[2] - box[0])), [box])[0]
        for image, box in faces
    ]
    hidden = [
        read_faces_of(covered(image, box, (0.25, 0.4, 0.55)[k % 3], 40 + 15 * k), [box])[0]
        for k, (image, box) in enumerate(faces)
    ]
    assert roc_auc_score(truth, [reading.blur for reading in [*clear, *soft]]) >= 0.9
    assert roc_auc_score(truth, [reading.occlusion for reading in [*clear, *hidden]]) >= 0.9
    assert max(reading.blur for reading in clear) < 0.5 < min(reading.blur for reading in soft)
    for reading in (*clear, *soft, *hidden):
        assert 0 <= reading.blur <= 1 and 0 <= reading.occlusion <= 1


def test_a_face_that_is_too_small_to_have_details_counts_as_blurred() -> None:
    image, box = head(3)
    small = cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA)
    assert blur(image, box) < 0.5 < blur(small, box * 24 / len(image))


@pytest.mark.parametrize(
    ("box", "side"), [((0, 0, 30, 40), np.sqrt(1200)), ((-5, 2, 5, 12), 10.0), ((3, 3, 3, 9), 0.0)]
)
def test_the_size_is_the_root_of_the_area(box: tuple[float, ...], side: float) -> None:
    assert face_size(np.array(box)) == pytest.approx(side)
