"""Features of a fixed CNN: computed once, right rows, nothing half-written (Section IV-C.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kaffect.data.batches.features import FeatureStore
from kaffect.data.prepared.records import PreparedData
from kaffect.errors import DatasetError
from kaffect.files import home
from tests.data.drawing import read_number


class Encoder:
    """Means of eight vertical strips, and a count of the calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, images: Any) -> Any:
        self.calls += 1
        assert images.shape == (16, 96, 96, 3) and images.dtype == tf.uint8
        values = tf.cast(images, tf.float32)
        return tf.reduce_mean(tf.reshape(values, [16, 96, 8, 12, 3]), axis=(1, 3, 4))


@pytest.fixture
def data(prepared: Path) -> PreparedData:
    return PreparedData.open(prepared)


def compute(data: PreparedData, key: Any = "w1", **settings: Any) -> tuple[np.ndarray, int]:
    encoder = Encoder()
    values = FeatureStore().get_or_compute(
        data.split(settings.pop("split", "train")), encoder, key, batch=16, progress=False,
        **settings,
    )  # fmt: skip
    return values, encoder.calls


def test_each_row_has_its_own_features(data: PreparedData) -> None:
    values, calls = compute(data)
    index = data.split("train")
    assert values.shape == (150, 8) and values.dtype == np.float32 and calls == 10
    assert isinstance(values, np.memmap) and not values.flags.writeable
    for row in range(150):
        if not index.has_face[row]:
            assert (values[row] == 128).all()
        elif index.tracks[index.track[row]] in ("a", "b_left"):
            strips = np.repeat(values[row][None, :, None], 3, axis=2).repeat(8, axis=1)
            assert read_number(strips) == index.source_frame[row] - 1


def test_second_time_from_disk(data: PreparedData) -> None:
    first, calls = compute(data)
    again, none = compute(data)
    assert (calls, none) == (10, 0)
    assert np.array_equal(first, again)
    assert home() in Path(str(again.filename)).parents


def test_another_key_split_or_type_is_another_file(data: PreparedData) -> None:
    compute(data)
    assert compute(data, key="w2")[1] == 10
    assert compute(data, split="test")[1] == 3
    half, calls = compute(data, dtype="float16")
    assert (half.dtype, calls) == (np.float16, 10)


def test_a_partition_has_its_own_rows_and_its_own_file(data: PreparedData) -> None:
    whole, _ = compute(data)
    encoder = Encoder()
    index = data.split("train").for_partition("au")
    values = FeatureStore().get_or_compute(index, encoder, "w1", batch=16, progress=False)
    assert encoder.calls == -(-len(index.rows) // 16) < 10
    outside = np.setdiff1d(np.arange(150), index.rows)
    assert len(outside) and not values[outside].any()
    assert np.array_equal(values[index.rows], whole[index.rows])


def test_a_damaged_file_is_computed_again(data: PreparedData) -> None:
    values, _ = compute(data)
    expected = np.array(values)
    path = Path(str(values.filename))
    del values
    flipped = bytearray(path.read_bytes())
    flipped[-1] ^= 1
    path.write_bytes(flipped)
    again, calls = compute(data)
    assert calls == 10 and np.array_equal(again, expected)


def test_a_feature_that_is_not_finite_stops(data: PreparedData) -> None:
    def broken(images: Any) -> Any:
        return tf.fill([16, 4], np.nan)

    with pytest.raises(DatasetError, match="not finite in rows 0 to 15"):
        FeatureStore().get_or_compute(data.split("train"), broken, "w", batch=16, progress=False)
    store = FeatureStore().root
    assert [p.name for p in store.iterdir() if not p.name.endswith(".lock")] == []
