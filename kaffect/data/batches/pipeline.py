"""Batches for training and evaluation: 10 sequences of 80 frames (paper Section IV-C.2), or frames.

The order is a pure function of (seed, step): to go on after an interruption, ask for
the steps from there. One epoch is a permutation of all windows; a batch may reach
from one epoch into the next. Pictures come from the TFRecords by random access, so
that memory does not grow with the data set.

Every element is a dict: 'images' uint8 [..., 96, 96, 3] or 'features' [..., F],
'valence_arousal' float32 [..., 2], 'expression' int32 [...], 'action_units' float32
[..., units], a bool mask '<task>_mask' [...] for each, and 'row' int64 [...] (-1 is
padding, with a grey picture or zero features). A missing label has value 0 and mask
False; in all batches a frame without face is masked as well. (Scores count it: they
use `FrameIndex.scoring` and the prediction of that row.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from kaffect.data.batches.augment import Augmentation
from kaffect.data.batches.mixing import mix
from kaffect.data.batches.sequences import PADDING
from kaffect.data.prepared.examples import parse_images
from kaffect.data.prepared.records import FrameIndex
from kaffect.errors import DatasetError
from kaffect.labels import TASK_BY_NAME, TASKS

# Distinguish the draws of one (seed, step) from each other.
_ORDER, _AUGMENT, _MIX = 0x0DE2, 0xA06, 0x313
_FOREVER = np.iinfo(np.int64).max
Batch = dict[str, tf.Tensor]
Choose = Callable[[tf.Tensor], tf.Tensor]


def training_sequences(
    index: FrameIndex,
    windows: np.ndarray,
    *,
    batch: int = 10,
    seed: int = 0,
    first_step: int = 0,
    steps: int | None = None,
    features: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Batches of shuffled windows, one for each step from `first_step` on.

    Args:
        windows: [windows, length] int64 row numbers, -1 where padded (`make_windows`).
        steps: how many; None never ends.
        features: [rows of the split, F] (a memory map) in the place of pictures.

    Returns:
        Elements as in the module's text, leading shape [batch, length].
    """
    choose = _shuffled(np.asarray(windows, np.int64), batch, seed)
    return _batches(index, choose, first_step, steps, features)


def evaluation_sequences(
    index: FrameIndex,
    windows: np.ndarray,
    *,
    batch: int = 10,
    features: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Every window once, in order; the last batch is filled up with padding.

    Args:
        windows: [windows, length] int64 row numbers, -1 where padded (`make_windows`).
        features: [rows of the split, F] (a memory map) in the place of pictures.

    Returns:
        Elements as in the module's text, leading shape [batch, length].
    """
    windows = np.asarray(windows, np.int64)
    steps = -(-len(windows) // batch)
    return _batches(index, _ordered(windows, batch), 0, steps, features)


class Change(Protocol):
    """What changes the pictures of a batch: `Augmentation`, `Warp`."""

    def apply(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Pictures [batch, height, width, 3] uint8, changed by a draw from `seed` [2] int64."""


def training_frames(
    index: FrameIndex,
    *,
    batch: int = 64,
    seed: int = 0,
    first_step: int = 0,
    steps: int | None = None,
    augment: bool | Change = True,
    rows: np.ndarray | Sequence[np.ndarray] | None = None,
    mixing: str = "none",
    mixing_alpha: float = 0.2,
) -> tf.data.Dataset:
    """Batches of shuffled single frames, one for each step from `first_step` on.

    Args:
        augment: change the pictures (True: the defaults of `Augmentation`).
        rows: which; by default `labelled_rows(index)`. Of several arrays, each gives an equal
            part of every batch, whatever their lengths.
        mixing: 'none', 'mixup' or 'mixaugment' (`kaffect.data.batches.mixing`).
        mixing_alpha: of its Beta distribution.

    Returns:
        Elements as in the module's text, leading shape [batch].
    """
    groups = [labelled_rows(index) if rows is None else rows] if _is_one(rows) else list(rows or ())
    change = Augmentation() if augment is True else augment or None
    choose = _in_parts([np.asarray(group, np.int64) for group in groups], batch, seed)

    def change_pictures(step: tf.Tensor, element: Batch) -> Batch:
        # The seeds of stateless operations are pairs: seed and step, then the purpose.
        pair = tf.stack([tf.constant(seed, tf.int64), step])
        if change is not None:
            images = change.apply(element["images"], tf.random.fold_in(pair, _AUGMENT))
            element = {**element, "images": images}
        if mixing != "none":
            element = mix(element, tf.random.fold_in(pair, _MIX), mixing, mixing_alpha)
        return element

    return _batches(index, choose, first_step, steps, None, change_pictures)


def _is_one(rows: object) -> bool:
    return rows is None or isinstance(rows, np.ndarray)


def _in_parts(groups: list[np.ndarray], batch: int, seed: int) -> Choose:
    """step -> `batch` items, in equal parts (but for the remainder) from each group."""
    if len(groups) == 1:
        return _shuffled(groups[0], batch, seed)
    sizes = [len(part) for part in np.array_split(np.arange(batch), len(groups))]
    # Each group in an order of its own: one seed would give equal groups equal orders.
    parts = [_shuffled(g, n, seed + place) for place, (g, n) in enumerate(zip(groups, sizes)) if n]

    def choose(step: tf.Tensor) -> tf.Tensor:
        return tf.concat([part(step) for part in parts], axis=0)

    return choose


def evaluation_frames(
    index: FrameIndex, *, batch: int = 64, rows: np.ndarray | None = None
) -> tf.data.Dataset:
    """Every frame of `rows` (by default all that count) once, in order; the last batch is padded.

    Args:
        rows: [k] int64 row numbers.

    Returns:
        Elements as in the module's text, leading shape [batch].
    """
    rows = index.rows if rows is None else np.asarray(rows, np.int64)
    return _batches(index, _ordered(rows, batch), 0, -(-len(rows) // batch), None)


def labelled_rows(index: FrameIndex, task: str | None = None) -> np.ndarray:
    """[k] int64: rows with a face and a label of `task` ('va', 'expression', 'au'; None: any)."""
    rows = index.rows
    labelled = index.labelled(rows) if task is None else index.valid(task)[rows]
    return rows[labelled & index.has_face[rows]]


def _shuffled(items: np.ndarray, batch: int, seed: int) -> Choose:
    """step -> the `batch` items of that step; each epoch is a permutation of all of them."""
    if not len(items):
        raise DatasetError("there is no labelled frame to train on in this split")
    table = tf.constant(items)
    count = len(items)
    last = tf.constant(count - 1, tf.int64)

    def choose(step: tf.Tensor) -> tf.Tensor:
        place = step * batch + tf.range(batch, dtype=tf.int64)
        seeds = tf.stack(
            [tf.fill([batch], tf.constant(seed, tf.int64)), place // count,
             tf.fill([batch], tf.constant(_ORDER, tf.int64))], axis=1,
        )  # fmt: skip
        # The operation behind `tf.random.experimental.index_shuffle`, which pads a batch
        # of seeds on the wrong axis (TensorFlow 2.21).
        chosen = tf.raw_ops.RandomIndexShuffle(
            index=place % count, seed=seeds, max_index=tf.fill([batch], last), rounds=4
        )
        return tf.gather(table, chosen)

    return choose


def _ordered(items: np.ndarray, batch: int) -> Choose:
    """step -> the `batch` items from there on, filled up with padding."""
    missing = -len(items) % batch
    filler = np.full((missing, *items.shape[1:]), PADDING, np.int64)
    table = tf.constant(np.concatenate([items, filler]))

    def choose(step: tf.Tensor) -> tf.Tensor:
        return tf.gather(table, step * batch + tf.range(batch, dtype=tf.int64))

    return choose


def _batches(
    index: FrameIndex,
    choose: Choose,
    first_step: int,
    steps: int | None,
    features: np.ndarray | None,
    finish: Callable[[tf.Tensor, Batch], Batch] | None = None,
) -> tf.data.Dataset:
    load = _Loader(index, features)
    end = _FOREVER if steps is None else first_step + steps

    def make(step: tf.Tensor) -> Batch:
        element = load(choose(step))
        return element if finish is None else finish(step, element)

    return (
        tf.data.Dataset.range(first_step, end)
        .map(make, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def _of_rows(function: Callable[[np.ndarray], Any], rows: tf.Tensor, types: Any) -> Any:
    """`function` of the row numbers, in NumPy, within the graph of the pipeline.

    `stateful=False`: the files never change while they are open, so the result depends on the
    row numbers alone. TensorFlow takes a NumPy function as stateful unless told otherwise, and
    with op determinism on it then calls it in order and never ahead of the training step.
    """
    return tf.numpy_function(function, [rows], types, stateful=False)


class _Loader:
    """Row numbers of any shape -> the element of `_batches`."""

    def __init__(self, index: FrameIndex, features: np.ndarray | None) -> None:
        if features is not None and len(features) != len(index.track):
            raise DatasetError(
                f"{index.data.root}: features for {len(features)} rows do not fit split "
                f"{index.name!r} with {len(index.track)}"
            )
        self._index, self._features = index, features
        self._reader = index.reader if features is None else None
        self._units = index.action_units.shape[1]

    def __call__(self, rows: tf.Tensor) -> Batch:
        flat = tf.reshape(rows, [-1])
        labels = _of_rows(
            self._labels, flat, [tf.float32, tf.bool, tf.int32, tf.bool, tf.float32, tf.bool]
        )
        names = [name for task in TASK_BY_NAME.values() for name in (task.column, task.mask)]
        tails = ((2,), (), (), (), (self._units,), ())
        element = dict(zip(names, zip(labels, tails)))
        element["row"] = (flat, ())
        if self._features is not None:
            gathered = _of_rows(self._gather, flat, tf.as_dtype(self._features.dtype))
            element["features"] = (gathered, self._features.shape[1:])
        else:
            data, size = self._index.data, self._index.data.crop_rule.image_size
            records = _of_rows(self._read, flat, tf.string)
            records.set_shape([flat.shape[0]])
            images = parse_images(records, data.encoding, size)
            element["images"] = (images, (size, size, 3))
        shape = rows.shape
        return {name: tf.reshape(v, [*shape, *tail]) for name, (v, tail) in element.items()}

    def _labels(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        index = self._index
        real = rows >= 0
        places = np.where(real, rows, 0)
        seen = real & index.has_face[places]
        out = []
        for task in TASKS:
            values, mask = index.values(task), seen & index.valid(task)[places]
            dtype = np.float32 if values.ndim == 2 else np.int32
            chosen = values[places].astype(dtype)
            chosen[~mask] = 0
            out += [chosen, mask]
        return tuple(out)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        if self._reader is None:
            raise DatasetError("this data set was opened for features, not for pictures")
        return np.array(self._reader.read(rows), dtype=object)

    def _gather(self, rows: np.ndarray) -> np.ndarray:
        if self._features is None:
            raise DatasetError("this data set was opened for pictures, not for features")
        gathered = np.asarray(self._features[np.maximum(rows, 0)])
        gathered[rows < 0] = 0
        return gathered
