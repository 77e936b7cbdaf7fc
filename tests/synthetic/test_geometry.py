"""What Action Units do to the landmarks of the drawn face."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.synthetic.curves import project
from kaffect.synthetic.geometry import FaceShape, State
from kaffect.synthetic.people import sample_person
from kaffect.synthetic.prototypes import DRAWN_UNITS


def _curves(person, **units):
    values = np.zeros((1, len(DRAWN_UNITS)))
    for name, intensity in units.items():
        values[0, DRAWN_UNITS.index(name)] = intensity
    shape = FaceShape(person, State(values, np.ones(1), np.zeros((1, 2)))).curves()
    pose, centre, scale = np.zeros((1, 3)), np.array([[160.0, 110.0]]), np.array([60.0])
    return {name: project(points, pose, centre, scale)[0] for name, points in shape.items()}


@pytest.fixture(params=[0, 1, 2])
def person(request):
    return sample_person(
        np.random.default_rng(request.param), ("male", "female")[request.param % 2]
    )


def test_au12_alone_moves_the_lip_corners_up_and_out(person):
    still, smile = _curves(person)["lip_line"], _curves(person, AU12=1)["lip_line"]
    assert smile[0, 0] < still[0, 0] - 4 and smile[-1, 0] > still[-1, 0] + 4
    assert smile[0, 1] < still[0, 1] - 6 and smile[-1, 1] < still[-1, 1] - 6


def test_au15_alone_moves_the_lip_corners_down(person):
    still, sad = _curves(person)["lip_line"], _curves(person, AU15=1)["lip_line"]
    assert (sad[[0, -1], 1] > still[[0, -1], 1] + 5).all()


def test_au1_raises_the_inner_and_au2_the_outer_brow(person):
    """`brow_line_r` runs from the inner to the outer end."""
    still = _curves(person)["brow_line_r"][:, 1]
    inner, outer = (
        _curves(person, AU1=1)["brow_line_r"][:, 1],
        _curves(person, AU2=1)["brow_line_r"][:, 1],
    )
    assert still[0] - inner[0] > 5 > abs(still[-1] - inner[-1])
    assert still[-1] - outer[-1] > 5 > abs(still[0] - outer[0])


def test_au4_lowers_the_brows_and_draws_them_together(person):
    still, frown = _curves(person), _curves(person, AU4=1)
    assert frown["brow_line_r"][0, 1] > still["brow_line_r"][0, 1] + 4

    def gap(curves):
        return curves["brow_line_r"][0, 0] - curves["brow_line_l"][0, 0]

    assert gap(frown) < gap(still) - 4


def _opening(curves):
    return (curves["lid_bottom_r"][:, 1] - curves["lid_top_r"][:, 1]).max()


def test_eyes_widen_with_au5_and_narrow_with_au6_and_au7(person):
    still = _opening(_curves(person))
    assert _opening(_curves(person, AU5=1)) > still * 1.2
    assert _opening(_curves(person, AU6=1)) < still * 0.85
    assert _opening(_curves(person, AU7=1)) < still * 0.85


def test_au25_parts_the_lips_and_au26_drops_the_jaw(person):
    def gap(curves):
        cavity = curves["cavity"]
        return (cavity[17:][::-1] - cavity[:17])[:, 1].max()

    still = _curves(person)
    assert gap(still) < 0.5
    assert gap(_curves(person, AU25=1)) > 4
    dropped = _curves(person, AU25=1, AU26=1)
    assert dropped["face"][:, 1].max() > still["face"][:, 1].max() + 8


def test_au20_stretches_the_mouth_without_raising_it(person):
    still, stretched = _curves(person)["lip_line"], _curves(person, AU20=1)["lip_line"]
    assert np.ptp(stretched[:, 0]) > np.ptp(still[:, 0]) * 1.2
    assert (np.abs(stretched[[0, -1], 1] - still[[0, -1], 1]) < 4).all()
