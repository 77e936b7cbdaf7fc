"""Smoothed answers: weights worked out by hand, nothing of the future, no memory over a pause."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.faces import TrackedFace
from kaffect.serving.predict.people import FaceAnswer, FrameAnswer
from kaffect.serving.predict.smoothing import Smoother
from kaffect.serving.predict.sources import SourceFrame

IMAGE = np.zeros((1, 1, 3), np.uint8)


def answers(values: Iterable[tuple[float, dict[int, float]]]) -> list[FrameAnswer]:
    """(time, person -> valence) as answers."""
    return [
        FrameAnswer(
            SourceFrame(k, time, IMAGE, True, ((k + 1, time),)),
            tuple(
                FaceAnswer(
                    TrackedFace(person, (0.0, 0.0, 1.0, 1.0), 1.0, None, True),
                    {"valence_arousal": np.array([value, -value], np.float32)},
                )
                for person, value in people.items()
            ),
        )
        for k, (time, people) in enumerate(values)
    ]


def smoothed(seconds: float, values: list[tuple[float, dict[int, float]]]) -> list[list[float]]:
    found = Smoother(seconds, 1.0)(answers(values))
    return [[float(f.outputs["valence_arousal"][0]) for f in each.faces] for each in found]


def test_weights_by_hand() -> None:
    e = np.exp(-0.5)  # 0.1 seconds of 0.2
    found = smoothed(0.2, [(0.0, {0: 1.0}), (0.1, {0: 3.0}), (0.2, {0: -1.0})])
    assert found[0] == [pytest.approx(1.0)]
    assert found[1] == [pytest.approx((e * 1 + 3) / (e + 1), abs=1e-6)]
    assert found[2] == [pytest.approx((e * e * 1 + e * 3 - 1) / (e * e + e + 1), abs=1e-6)]


def test_people_are_apart_and_a_constant_stays() -> None:
    found = smoothed(0.3, [(k / 30, {0: 0.5, 1: float(k)}) for k in range(20)])
    assert [each[0] for each in found] == pytest.approx([0.5] * 20)
    assert all(first[1] < second[1] for first, second in zip(found, found[1:]))


def test_a_pause_forgets_and_what_is_older_than_four_constants_does_not_count() -> None:
    assert smoothed(0.5, [(0.0, {0: 1.0}), (1.5, {0: 0.0})])[1] == [0.0]
    assert smoothed(0.5, [(0.0, {0: 1.0}), (0.9, {0: 0.0})])[1][0] > 0.1
    long = [(k / 10, {0: 1.0 if k == 0 else 0.0}) for k in range(12)]
    found = [each[0] for each in smoothed(0.1, long)]
    assert found[4] > 0 and found[5:] == [0.0] * 7
    assert Smoother(0.1, 1.0).memory(10) >= 4


def test_what_is_answered_does_not_depend_on_what_comes() -> None:
    values = [(k / 30, {0: float(np.sin(k))}) for k in range(30)]
    assert smoothed(0.2, values)[:15] == smoothed(0.2, values[:15])
    plain = answers(values)
    assert list(Smoother(0.0, 1.0)(plain)) == plain


def test_bad_strengths() -> None:
    for seconds in (-0.1, float("nan"), 11.0):
        with pytest.raises(ConfigError, match="--smooth"):
            Smoother(seconds, 1.0)
