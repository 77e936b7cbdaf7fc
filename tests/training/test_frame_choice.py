"""The frames that a row of Tables A1 to A5 is trained and validated on."""

from __future__ import annotations

import numpy as np
import pytest

from kaffect.errors import DatasetError
from kaffect.training.frame_choice import (
    next_rows,
    subset,
    training_rows,
    validation_frames,
    validation_rows,
)
from tests.training.twelve_frames import config, index


def test_which_frames_are_trained_on():
    assert training_rows(config(loss__tasks=["expression"]), index()).tolist() == [0, 6, 9]
    both = config(loss__tasks=["va", "expression"])
    assert training_rows(both, index()).tolist() == [0, 2, 4, 6, 8, 9, 10]
    anything = config(loss__tasks=["expression"], data__labels="any")
    assert training_rows(anything, index()).tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert training_rows(config(data__labels="complete"), index()).tolist() == [0, 6]
    assert validation_rows(both, index()).tolist() == [0, 2, 4, 6, 8, 9, 10]


def test_the_next_frames_follow_those_trained_on():
    few = config(data__labels="any", data__scored="next", data__subset="first",
                 data__train_share=0.5, data__validation_share=0.3)  # fmt: skip
    assert training_rows(few, index()).tolist() == [0, 1, 2, 4]
    assert next_rows(few, index()).tolist() == [5, 6, 8]
    assert next_rows(few.changed({"data.validation_share": 0.01}), index()).tolist() == [5]
    assert next_rows(few.changed({"data.labels": "complete"}), index()).tolist() == [6]


def test_balanced_training_has_a_group_for_each_task():
    groups = training_rows(config(data__balanced=True), index())
    assert [g.tolist() for g in groups] == [[0, 2, 4, 6, 8, 10], [0, 6, 9], [0, 1, 2, 4, 5, 6]]
    alone = training_rows(config(data__balanced=True, loss__tasks=["va"]), index())
    assert isinstance(alone, np.ndarray)


def test_subsets_are_the_same_in_every_run_and_random_ones_spread():
    rows = np.arange(0, 3000, 3)
    first, chosen = (subset(rows, 0.1, kind, "train") for kind in ("first", "random"))
    assert first.tolist() == rows[:100].tolist()
    assert len(chosen) == 100 and (np.diff(chosen) > 0).all() and chosen.max() > 2500
    assert np.isin(chosen, rows).all()
    np.testing.assert_array_equal(chosen, subset(rows, 0.1, "random", "train"))
    assert not np.array_equal(chosen, subset(rows, 0.1, "random", "validation"))


def test_no_frame_at_all_is_told():
    nothing = np.zeros(12, bool)
    with pytest.raises(DatasetError, match="a label of all three tasks"):
        training_rows(config(data__labels="complete"), index(au_valid=nothing))
    with pytest.raises(DatasetError, match="label of task 'au'"):
        training_rows(config(data__balanced=True), index(au_valid=nothing))


def test_the_frames_that_validate():
    splits = {"train": index(), "validation": index(va_valid=np.arange(12) % 4 == 0)}
    for frames in splits.values():
        frames.with_rows = lambda rows: rows
    own = config(loss__tasks=["va"])
    assert validation_frames(own, splits.__getitem__).tolist() == [0, 4, 8]
    after = config(data__labels="any", data__scored="next", data__subset="first",
                   data__train_share=0.5, data__validation_share=0.3)  # fmt: skip
    assert validation_frames(after, splits.__getitem__).tolist() == [5, 6, 8]
    splits["validation"].va_valid[:] = False
    with pytest.raises(DatasetError, match="no validation frame has a label of a task"):
        validation_frames(own, splits.__getitem__)
