"""Random faces: the same bytes for the same number, labels that fit what is drawn."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from kaffect.labels import AFF_WILD2
from kaffect.synthetic.random_faces import random_face


@pytest.fixture(scope="module")
def faces():
    return [random_face(3, number, 48) for number in range(200)]


def _digest(face) -> str:
    return hashlib.sha256(face.image.tobytes()).hexdigest()


def test_a_face_depends_on_seed_and_number_alone(faces):
    again = random_face(3, 17, 48)
    assert _digest(again) == _digest(faces[17])
    assert again.expression == faces[17].expression
    assert np.array_equal(again.action_units, faces[17].action_units)
    assert _digest(random_face(4, 17, 48)) != _digest(again)


def test_no_two_faces_are_the_same(faces):
    assert len({_digest(face) for face in faces}) == len(faces)


def test_every_expression_is_drawn_and_neutral_most(faces):
    counts = np.bincount([face.expression for face in faces], minlength=8)
    assert (counts > 0).all()
    assert AFF_WILD2.expressions[int(counts.argmax())] in ("Neutral", "Happiness")


def test_labels_are_those_of_the_expression(faces):
    """Of many: happy faces have AU12 and are pleasant, frightened ones are excited and are not."""
    units = list(AFF_WILD2.action_units)

    def of(name):
        kind = AFF_WILD2.expressions.index(name)
        chosen = [face for face in faces if face.expression == kind]
        return (
            np.mean([face.action_units for face in chosen], axis=0),
            np.mean([face.valence_arousal for face in chosen], axis=0),
        )

    happy, happy_felt = of("Happiness")
    afraid, afraid_felt = of("Fear")
    neutral, neutral_felt = of("Neutral")
    assert happy[units.index("AU12")] > 0.8 and happy_felt[0] > 0.3
    assert afraid[units.index("AU1")] > 0.8 and afraid_felt[0] < -0.2 < 0.3 < afraid_felt[1]
    assert neutral[units.index("AU12")] < 0.1 and abs(neutral_felt[0]) < 0.1


def test_ranges(faces):
    for face in faces:
        assert face.image.shape == (48, 48, 3) and face.image.dtype == np.uint8
        assert set(np.unique(face.action_units)) <= {0, 1} and face.action_units.shape == (12,)
        assert (np.abs(face.valence_arousal) <= 0.95).all()
        assert face.image.std() > 3
