"""Batches without and with op determinism, which has no way back: a program for `test_determinism`.

`python determinism_run.py PREPARED` prints for each stream a hash of its batches without and with
op determinism, and how many batches had begun to be read while the step before them still ran.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from kaffect.data.batches.pipeline import training_frames, training_sequences
from kaffect.data.batches.sequences import make_windows
from kaffect.data.batches.warp import Warp
from kaffect.data.prepared.records import FrameIndex, PreparedData, RecordReader
from kaffect.training.gan_data import GanBatches

STEPS = 6
PATIENCE = 30.0  # seconds; only a pipeline that does not work ahead uses them
Stream = Callable[[], tf.data.Dataset]


class Reads:
    """Counts the calls that read pictures or features."""

    def __init__(self) -> None:
        self.count = 0
        self.changed = threading.Condition()

    def begun(self) -> None:
        with self.changed:
            self.count += 1
            self.changed.notify_all()

    def wait_for_more_than(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.count > count, PATIENCE)


READS = Reads()


class Features(np.ndarray):
    """An array that counts how often it is read."""

    def __getitem__(self, key: Any) -> Any:
        READS.begun()
        return super().__getitem__(key)


def count_record_reads() -> None:
    read = RecordReader.read

    def counted(self: RecordReader, rows: np.ndarray) -> list[bytes]:
        READS.begun()
        return read(self, rows)

    RecordReader.read = counted  # type: ignore[method-assign]


def streams(index: FrameIndex) -> dict[str, tuple[Stream, int]]:
    """Name -> the stream, and its reads for each batch."""
    windows = make_windows(index, 16)
    features = np.arange(len(index.track) * 2, dtype=np.float32).reshape(-1, 2).view(Features)
    warp = Warp(zoom=0.1, shift=0.1, brightness=9.0, contrast=0.2, erase=0.5)
    gan = GanBatches(index, batch=8, seed=3)
    return {
        "features": (
            lambda: training_sequences(index, windows, batch=2, steps=STEPS, features=features), 1
        ),
        "images": (lambda: training_sequences(index, windows, batch=2, steps=STEPS), 1),
        "frames": (
            lambda: training_frames(index, batch=8, steps=STEPS, augment=warp, mixing="mixaugment"),
            1,
        ),
        "gan": (lambda: gan(0, STEPS), 2),
    }  # fmt: skip


def consumed(stream: tf.data.Dataset, reads: int) -> tuple[str, int]:
    """Hash of all batches, and how many were begun before they were asked for."""
    digest, ahead, before = hashlib.sha256(), 0, READS.count
    for taken, batch in enumerate(stream.as_numpy_iterator(), start=1):
        for name in sorted(batch):
            digest.update(np.ascontiguousarray(batch[name]).tobytes())
        # The place of the training step: it lasts until the next batch has begun to be read.
        if taken < STEPS and ahead == taken - 1:
            ahead += READS.wait_for_more_than(before + reads * taken)
    return digest.hexdigest(), ahead


def main(prepared: str) -> None:
    count_record_reads()
    every = streams(PreparedData.open(prepared).split("train"))
    found = {name: {"plain": consumed(make(), n)[0]} for name, (make, n) in every.items()}
    tf.config.experimental.enable_op_determinism()
    for name, (make, n) in every.items():
        found[name]["deterministic"], found[name]["ahead"] = consumed(make(), n)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
