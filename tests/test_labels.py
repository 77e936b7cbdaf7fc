"""What the tasks are called: every list of names in one order, and label spaces in manifests."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from kaffect.data.annotations.columns import LabelColumns
from kaffect.labels import LABEL_COLUMNS, LABEL_SPACES, TASK_BY_NAME, TASKS, LabelSpace


def columns() -> LabelColumns:
    """Frame n of 4 has the label of a task where bit n of the task's pattern is set."""
    valid = [np.array([bool(p >> n & 1) for n in range(4)]) for p in (0b0001, 0b0011, 0b0100)]
    va, expression, units = np.ones((4, 2)), np.arange(4), np.ones((4, 8), np.int8)
    return LabelColumns(va, valid[0], expression, valid[1], units, valid[2])


def test_the_columns_are_those_of_prepared_data() -> None:
    assert LABEL_COLUMNS == tuple(field.name for field in dataclasses.fields(LabelColumns))


def test_columns_by_task() -> None:
    labels = columns()
    assert [labels.values(task).shape for task in TASKS] == [(4, 2), (4,), (4, 8)]
    assert [labels.valid(task).sum() for task in TASKS] == [1, 2, 1]
    assert labels.labelled().tolist() == [True, True, True, False]
    assert labels.labelled(np.array([3, 0])).tolist() == [False, True]


def test_no_name_is_used_twice() -> None:
    for kind in ("title", "folder", "column", "valid", "mask"):
        assert len({getattr(task, kind) for task in TASK_BY_NAME.values()}) == len(TASKS)


@pytest.mark.parametrize("space", LABEL_SPACES.values(), ids=lambda s: s.name)
def test_a_label_space_survives_json(space: LabelSpace) -> None:
    assert LabelSpace.from_dict(json.loads(json.dumps(space.to_dict()))) == space
