"""Colours that tell two people of one video apart after they were hidden (Section III-E)."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.faces.appearance import Look
from kaffect.faces.flow import FlowImage

BOX = np.array([60.0, 30.0, 100.0, 70.0])
RED, GREEN, BLUE = (160, 100, 90), (90, 130, 90), (90, 95, 140)


def look(head: tuple[int, int, int], clothes: tuple[int, int, int]) -> Look:
    """A person in plain colours: 160 x 160 pixels, clothes below the face."""
    frame = np.empty((160, 160, 3), np.uint8)
    frame[:77], frame[77:] = head, clothes
    return Look.of(FlowImage.of(frame, 160), BOX)


def test_distances_are_0_for_the_same_and_1_for_other_colours() -> None:
    person = look(RED, BLUE)
    assert person.distance(look(RED, BLUE)) == pytest.approx(0, abs=1e-3)
    assert person.distance(look(GREEN, RED)) == pytest.approx(1, abs=1e-3)
    half = person.distance(look(RED, GREEN))
    assert half == pytest.approx(0.5, abs=1e-2), "head and clothes count alike"
    assert half == look(RED, GREEN).distance(person)


def test_hellinger_by_hand() -> None:
    one, other = np.array([0.36, 0.64]), np.array([0.64, 0.36])
    distance = Look(one, None).distance(Look(other, one))
    assert distance == pytest.approx(np.sqrt(1 - 2 * 0.6 * 0.8)), "clothes are seen of one only"
    assert Look(one, None).distance(Look(None, one)) == 0.5, "nothing that both show"


def test_what_is_outside_of_the_frame_is_not_seen() -> None:
    frame = np.zeros((75, 160, 3), np.uint8)
    cut = Look.of(FlowImage.of(frame, 160), BOX)
    assert cut.head is not None and cut.clothes is None
    again = Look.from_array(cut.to_array())
    assert again.clothes is None and again.head is not None
    np.testing.assert_array_equal(again.head, cut.head.ravel())


def test_a_newer_look_has_its_share() -> None:
    old, new = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    mixed = Look(old, None).blended(Look(new, new), share=0.25)
    assert mixed.head is not None and mixed.clothes is not None
    np.testing.assert_allclose(mixed.head, [0.75, 0.25])
    np.testing.assert_allclose(mixed.clothes, new)
