"""Batches: order from (seed, step) alone, masks, every frame of an evaluation (Section IV-C.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.data.batches.augment import Augmentation
from kaffect.data.batches.pipeline import (
    evaluation_frames,
    evaluation_sequences,
    labelled_rows,
    training_frames,
    training_sequences,
)
from kaffect.data.batches.sequences import make_windows
from kaffect.data.prepared.records import FrameIndex, PreparedData
from kaffect.errors import DatasetError
from tests.data.drawing import read_number

Element = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def data(prepared: Path) -> PreparedData:
    return PreparedData.open(prepared)


@pytest.fixture(scope="module")
def index(data: PreparedData) -> FrameIndex:
    return data.split("train")


def elements(dataset: tf.data.Dataset) -> list[Element]:
    return list(dataset.as_numpy_iterator())


def same(first: Element, second: Element) -> bool:
    assert first.keys() == second.keys()
    return all(np.array_equal(first[k], second[k]) for k in first)


def test_shapes_and_types(index: FrameIndex) -> None:
    windows = make_windows(index, 16)
    spec = training_sequences(index, windows, batch=3, steps=1).element_spec
    expected = {
        "images": ((3, 16, 96, 96, 3), tf.uint8),
        "valence_arousal": ((3, 16, 2), tf.float32),
        "valence_arousal_mask": ((3, 16), tf.bool),
        "expression": ((3, 16), tf.int32),
        "expression_mask": ((3, 16), tf.bool),
        "action_units": ((3, 16, 8), tf.float32),
        "action_units_mask": ((3, 16), tf.bool),
        "row": ((3, 16), tf.int64),
    }
    assert {k: (tuple(v.shape), v.dtype) for k, v in spec.items()} == expected


def streams(index: FrameIndex) -> dict[str, Any]:
    windows = make_windows(index, 16)
    features = np.arange(len(index.track), dtype=np.float32)[:, None] * [1, -1]
    return {
        "features": lambda first, n: training_sequences(
            index, windows, batch=4, seed=5, first_step=first, steps=n, features=features
        ),
        "images": lambda first, n: training_sequences(
            index, windows, batch=4, seed=5, first_step=first, steps=n
        ),
        "frames": lambda first, n: training_frames(
            index, batch=32, seed=5, first_step=first, steps=n
        ),
    }


@pytest.mark.parametrize("kind,steps", [("features", 9), ("images", 4), ("frames", 5)])
def test_restored_at_every_step_the_rest_is_the_same(
    index: FrameIndex, kind: str, steps: int
) -> None:
    """`features`: 12 windows, 9 steps of 4, so three epochs."""
    make = streams(index)[kind]
    whole = elements(make(0, steps))
    assert len(whole) == steps
    assert not same(whole[0], whole[1])
    for step in range(steps):
        rest = elements(make(step, steps - step))
        assert len(rest) == steps - step
        assert all(same(a, b) for a, b in zip(rest, whole[step:]))


@pytest.mark.parametrize("batch", [1, 4, 5, 30])
def test_every_window_once_in_every_epoch(index: FrameIndex, batch: int) -> None:
    """Also where a batch reaches over the end of an epoch, or holds more than one."""
    windows = make_windows(index, 16)
    count, epochs = len(windows), 3
    features = np.zeros((len(index.track), 1), np.float32)
    stream = training_sequences(
        index, windows, batch=batch, seed=1, steps=-(-epochs * count // batch), features=features
    )
    firsts = np.concatenate([e["row"][:, 0] for e in elements(stream)])
    orders = [firsts[e * count : (e + 1) * count].tolist() for e in range(epochs)]
    assert all(sorted(order) == windows[:, 0].tolist() for order in orders)
    assert len({tuple(order) for order in orders}) == epochs


def test_seeds_give_different_orders(index: FrameIndex) -> None:
    def order(seed: int) -> list[int]:
        stream = training_frames(index, seed=seed, steps=2, augment=False)
        return np.concatenate([e["row"] for e in elements(stream)]).tolist()

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(6)}) == 6


def test_endless_without_steps(index: FrameIndex) -> None:
    stream: Iterator[Element] = iter(training_frames(index, batch=64).as_numpy_iterator())
    seen = [next(stream)["row"] for _ in range(6)]
    assert len(np.concatenate(seen)) > 2 * len(index)


def test_labels_masks_and_pictures_belong_together(index: FrameIndex) -> None:
    windows = make_windows(index, 16)
    for element in elements(training_sequences(index, windows, batch=4, seed=2, steps=3)):
        rows = element["row"]
        assert any((rows == w).all(axis=1).any() for w in windows)
        flat = {k: v.reshape(rows.size, *v.shape[2:]) for k, v in element.items()}
        for place, row in enumerate(rows.ravel()):
            check_frame(index, {k: v[place] for k, v in flat.items()}, int(row))


def check_frame(index: FrameIndex, frame: Element, row: int) -> None:
    masks = [frame[f"{k}_mask"] for k in ("valence_arousal", "expression", "action_units")]
    if row < 0 or not index.has_face[row]:
        assert not any(masks)
        assert (frame["images"] == 128).all()
    else:
        valid = [index.va_valid[row], index.expression_valid[row], index.au_valid[row]]
        assert masks == valid
        if index.tracks[index.track[row]] in ("a", "b_left"):
            assert read_number(frame["images"]) == index.source_frame[row] - 1
    labels = ("valence_arousal", "expression", "action_units")
    for name, mask in zip(labels, masks):
        expected = getattr(index, name)[row] if mask else 0
        np.testing.assert_array_equal(frame[name], np.broadcast_to(expected, frame[name].shape))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("batch", [1, 3, 10])
def test_evaluation_has_every_row_once_in_order(data: PreparedData, split: str, batch: int) -> None:
    part = data.split(split)
    windows = make_windows(part, 16)
    features = np.zeros((len(part.track), 1), np.float32)
    found = elements(evaluation_sequences(part, windows, batch=batch, features=features))
    assert all(e["row"].shape == (batch, 16) for e in found)
    rows = np.concatenate([e["row"] for e in found]).ravel()
    assert rows[rows >= 0].tolist() == part.rows.tolist()
    assert len(found) == -(-len(windows) // batch)
    for element in found:
        assert not element["valence_arousal_mask"][element["row"] < 0].any()


def test_evaluation_frames_has_every_row_once(index: FrameIndex) -> None:
    au = index.for_partition("au")
    found = elements(evaluation_frames(au, batch=48))
    rows = np.concatenate([e["row"] for e in found])
    assert rows[rows >= 0].tolist() == au.rows.tolist()
    assert len(rows) == 48 * len(found)
    assert (found[-1]["images"][found[-1]["row"] < 0] == 128).all()


def test_features_follow_their_rows(index: FrameIndex) -> None:
    windows = make_windows(index, 16)
    features = np.random.default_rng(0).normal(size=(len(index.track), 5)).astype(np.float16)
    for element in elements(evaluation_sequences(index, windows, batch=4, features=features)):
        assert "images" not in element and element["features"].dtype == np.float16
        real = element["row"] >= 0
        assert np.array_equal(element["features"][real], features[element["row"][real]])
        assert (element["features"][~real] == 0).all()
    with pytest.raises(DatasetError, match="features for 3 rows do not fit"):
        evaluation_sequences(index, windows, features=features[:3])


def test_training_frames_are_labelled_faces(index: FrameIndex) -> None:
    rows = labelled_rows(index)
    assert not index.has_face[[20, 21, 22]].any() and not set(rows) & {20, 21, 22}
    assert labelled_rows(index, "au").tolist() == [
        r for r in index.rows if index.au_valid[r] and index.has_face[r]
    ]
    stream = training_frames(index, batch=50, steps=20, augment=False)
    assert set(np.concatenate([e["row"] for e in elements(stream)])) == set(rows)
    only = training_frames(index, batch=8, steps=4, rows=np.array([7, 9]), augment=False)
    assert set(np.concatenate([e["row"] for e in elements(only)])) == {7, 9}
    with pytest.raises(DatasetError, match="no labelled frame"):
        training_frames(index, rows=np.array([], np.int64))


def test_augmentation_off_changes_nothing(index: FrameIndex) -> None:
    plain = elements(training_frames(index, steps=1, augment=False))[0]
    off = Augmentation(flip=False, brightness=0, contrast=0, shift=0)
    assert same(plain, elements(training_frames(index, steps=1, augment=off))[0])
    changed = elements(training_frames(index, steps=1, augment=True))[0]
    assert np.array_equal(plain["row"], changed["row"])
    assert not np.array_equal(plain["images"], changed["images"])


def test_each_step_draws_anew(index: FrameIndex) -> None:
    """One picture for many steps: its changes differ from step to step and with the seed."""
    one = np.array([7])

    def pictures(seed: int) -> list[bytes]:
        stream = training_frames(index, batch=1, rows=one, steps=6, seed=seed)
        return [e["images"].tobytes() for e in elements(stream)]

    assert pictures(0) == pictures(0)
    assert len(set(pictures(0) + pictures(1))) == 12


def test_a_shard_lost_during_training_stops_it(prepared: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(prepared, tmp_path / "copy")
    index = PreparedData.open(copy).split("train")
    for path in index.shards:
        path.write_bytes(b"")
    with pytest.raises(tf.errors.OpError, match="changed after it was opened"):
        elements(training_frames(index, steps=1))


def test_groups_have_equal_parts_of_every_batch(index: FrameIndex) -> None:
    """However unequal the groups are; each is walked through in whole epochs of its own."""
    every, few = index.rows[:40], index.rows[50:57]
    stream = training_frames(index, batch=10, seed=3, steps=7, augment=False, rows=[every, few])
    rows = [e["row"] for e in elements(stream)]
    assert all(np.isin(r[:5], every).all() and np.isin(r[5:], few).all() for r in rows)
    assert sorted(np.concatenate([r[5:] for r in rows]).tolist()) == sorted(few.tolist() * 5)
    again = training_frames(
        index, batch=10, seed=3, first_step=4, steps=1, augment=False, rows=[every, few]
    )
    np.testing.assert_array_equal(elements(again)[0]["row"], rows[4])


def test_mixtures_are_a_function_of_the_step(index: FrameIndex) -> None:
    def batch(step: int) -> Element:
        stream = training_frames(
            index, batch=6, seed=2, first_step=step, steps=1, mixing="mixaugment"
        )
        return elements(stream)[0]

    first = batch(5)
    assert same(first, batch(5)) and not same(first, batch(6))
    assert first["images"].shape[0] == 12 and first["row"].shape == (6,)
    assert 0 <= first["mix_share"] <= 1
