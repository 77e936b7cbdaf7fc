"""Semi-supervised batches: where frames without labels come from, and that nothing leaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.training import gan_data
from kaffect.training.gan_data import GanBatches, unlabelled_rows
from tests.data.stand_in import Columns

AU, EXPRESSION = (0, 1), (2, 3, 1)  # tracks of the two partitions; 1 is in both


def _index() -> Columns:
    """20 rows, 5 of each of tracks 0 to 3; every frame is labelled with everything."""
    track = np.repeat(np.arange(4), 5)
    has_face = np.ones(20, bool)
    has_face[[12, 17]] = False

    def part(rows: np.ndarray) -> Columns:
        return Columns(
            rows=rows,
            track=track,
            has_face=has_face,
            va_valid=np.ones(20, bool),
            expression_valid=np.ones(20, bool),
            au_valid=np.ones(20, bool),
            for_partition=lambda name: part(
                np.flatnonzero(np.isin(track, {"au": AU, "expression": EXPRESSION}[name]))
            ),
        )

    return part(np.arange(20))


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """`training_frames` replaced: every frame of the batch is labelled, the picture is its row."""
    calls: list[dict] = []

    def fake(index: object, **options: Any) -> tf.data.Dataset:
        calls.append(options)
        table, batch, first = tf.constant(options["rows"]), options["batch"], options["first_step"]

        def element(step: tf.Tensor) -> dict:
            places = step * batch + tf.range(batch, dtype=tf.int64)
            chosen = tf.gather(table, places % tf.size(table, tf.int64))
            shade = tf.cast(chosen, tf.uint8)[:, None, None, None]
            pictures = shade * tf.ones((1, 4, 4, 3), tf.uint8)
            return {
                "images": pictures,
                "valence_arousal": tf.ones((batch, 2)) * 0.5,
                "valence_arousal_mask": tf.ones(batch, tf.bool),
                "action_units": tf.ones((batch, 8)),
                "action_units_mask": tf.ones(batch, tf.bool),
                "expression": tf.zeros(batch, tf.int32),
                "row": chosen,
            }

        return tf.data.Dataset.range(first, first + options["steps"]).map(element)

    monkeypatch.setattr(gan_data, "training_frames", fake)
    return calls


def test_unlabelled_frames_are_those_of_the_expression_set_only() -> None:
    # Tracks 2 and 3; track 1 has Action Units too; rows 12 and 17 show no face.
    assert unlabelled_rows(_index()).tolist() == [10, 11, 13, 14, 15, 16, 18, 19]


def test_a_quarter_of_a_batch_comes_without_any_label(frames: list[dict]) -> None:
    batches = GanBatches(_index(), batch=8, unlabelled=0.25, seed=1)
    for element in batches(3, 4):
        assert set(element) == set(gan_data.KEYS)
        sources = element["images"].numpy()[:, 0, 0, 0]
        assert (sources[:6] < 10).all() and (sources[6:] >= 10).all()
        labelled = np.arange(8) < 6
        for task in ("valence_arousal", "action_units"):
            np.testing.assert_array_equal(element[f"{task}_mask"], labelled)
            # Not only masked: the hidden labels are not there.
            np.testing.assert_array_equal(element[task].numpy().any(axis=1), labelled)
    assert frames[0]["rows"].tolist() == list(range(10))
    assert frames[0]["seed"] != frames[1]["seed"]
    assert frames[0]["augment"].flip and frames[0]["augment"].brightness == 0


@pytest.mark.parametrize("unlabelled", [0.0, 0.5])
def test_without_such_frames_all_are_labelled(frames: list[dict], unlabelled: float) -> None:
    index = _index()
    if unlabelled:
        index.has_face[10:] = False
    batches = GanBatches(index, batch=8, unlabelled=unlabelled)
    element = next(iter(batches(0, 1)))
    assert element["images"].shape == (8, 4, 4, 3)
    assert element["action_units_mask"].numpy().all() and len(frames) == 1


def test_batches_depend_on_the_step_only(frames: list[dict]) -> None:
    batches = GanBatches(_index(), batch=8)
    later = [e["images"].numpy() for e in batches(2, 2)]
    whole = [e["images"].numpy() for e in batches(0, 4)]
    np.testing.assert_array_equal(np.stack(later), np.stack(whole[2:]))


def test_given_rows_alone_have_labels(frames: list[dict]) -> None:
    batches = GanBatches(_index(), batch=8, unlabelled=0.25, labelled=np.array([3, 12, 15]))
    next(iter(batches(0, 1)))
    labelled, hidden = (call["rows"].tolist() for call in frames)
    assert labelled == [3, 12, 15]
    assert hidden == [n for n in range(20) if n not in (3, 12, 15, 17)]  # 17 shows no face
