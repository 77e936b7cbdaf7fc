"""Pictures for TensorBoard: every face of the grid is there, with both captions beside it."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.training.summaries import labelled_faces


@pytest.mark.parametrize("count", [1, 8])
def test_faces_and_their_captions_are_whole_and_apart(count: int) -> None:
    faces = np.full((count, 16, 16, 3), (250, 0, 0), np.uint8)
    texts = ["V +0.31 A -0.20\nHappiness"] * count
    nothing = [""] * count
    bare = labelled_faces(faces, nothing, nothing)
    red = (bare == (250, 0, 0)).all(-1)
    assert red.sum() == count * 160 * 160 and (bare[~red] == 255).all()
    above = labelled_faces(faces, texts, nothing)
    below = labelled_faces(faces, nothing, texts)
    both = labelled_faces(faces, texts, texts)
    # No caption touches a face, another caption or the border.
    inks = [(image != bare).any(-1) for image in (above, below)]
    assert not (inks[0] & inks[1]).any() and not ((inks[0] | inks[1]) & red).any()
    assert ((both != bare).any(-1) == inks[0] | inks[1]).all()
    # The same words: none is cut off by a face that is drawn later.
    assert inks[0].sum() == pytest.approx(inks[1].sum(), rel=0.03)
    for ink in inks:
        assert ink.sum() % count == 0 and ink.sum() > 100 * count
        assert not (ink[0].any() or ink[-1].any() or ink[:, -1].any())
