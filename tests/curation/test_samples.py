"""Samples of a tree that are shown: pictures beside their own labels, drawn and chosen."""

from __future__ import annotations

import pytest

from kaffect.curation.samples import draw, over_the_plane, varied, with_pictures
from kaffect.data.tree import DataTree
from kaffect.errors import DatasetError
from kaffect.labels import EXPRESSIONS_7
from tests.data.drawing import read_number


def test_pictures_belong_to_their_labels(tree: DataTree) -> None:
    """The drawn pictures show their own number; the labels tell the same one."""
    samples = [s for s in draw(tree, 60, seed=1) if s.track in ("a", "b_left", "c")]
    shown = with_pictures(tree, samples)
    assert len(shown) > 20
    for sample in shown:
        number = sample.frame - 1
        assert read_number(sample.image) == number
        if sample.valence_arousal is not None:
            assert sample.valence_arousal == (number / 200, -0.5)
        if sample.expression is not None:
            assert sample.expression == EXPRESSIONS_7[number % 7]
        if sample.units is not None:
            assert sample.units == (("AU1", "AU12") if number % 2 else ("AU12",))
        assert sample.track != "a" or number not in (20, 21, 22), "a frame without a face"
    assert {sample.track for sample in shown} == {"a", "b_left", "c"}


def test_draws(tree: DataTree) -> None:
    both = draw(tree, 40, seed=0, needs=("va", "au"), splits=("validation",))
    assert {s.track for s in both} == {"c"}
    assert all(s.valence_arousal is not None and s.units is not None for s in both)
    again = draw(tree, 40, seed=0, needs=("va", "au"), splits=("validation",))
    assert [(s.track, s.frame) for s in both] == [(s.track, s.frame) for s in again]
    assert [s.frame for s in draw(tree, 40, seed=1, splits=("validation",))] != [
        s.frame for s in both
    ]
    with pytest.raises(DatasetError, match="no frame with a face and a label of va and au"):
        draw(DataTree(tree.root, tree.tracks[:1]), 3, seed=0, needs=("va", "au"))
    caption = both[0].caption().splitlines()
    assert caption[0].startswith("c #") and caption[1].endswith("A -0.50")
    assert caption[-1] in ("AU 12", "AU 1 12")


def test_choices(tree: DataTree) -> None:
    many = draw(tree, 100, seed=2, needs=("va", "au"))
    few = varied(many, 3)
    assert {unit for s in few for unit in s.units or ()} == {"AU1", "AU12"}
    assert len({s.track for s in few}) == 3, "different people first"
    spread = over_the_plane(many, 20)
    cells = [tuple(int((v + 1) * 10) for v in s.valence_arousal or ()) for s in spread]
    assert len(cells) == len(set(cells)) >= 3
