"""Measures for which convolutions one product a tap beats the library's filter gradient.

    python scripts/measure_filter_gradients.py            # prints a ratio for each size
    python scripts/measure_filter_gradients.py --write    # and this processor's rows of the table

In bfloat16, one thread, by turns; processor seconds, which hardly depend on what else the machine
does. The table is `kaffect/models/filter_gradients.json`; another processor's rows stay.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator

import tensorflow as tf

from kaffect.files import write_text
from kaffect.models.filter_gradient import TABLE, filter_gradient
from kaffect.processor import processor_flags, processor_kind

BATCH = 64
FILTERS = ((3, 1), (5, 2))
CHANNELS = (64, 128, 256, 512)
SIDES = (4, 6, 7, 8, 12, 14, 24, 28)  # of the smaller image
WORTH = 1.15  # a smaller gain is not taken


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the rows into the table")
    parser.add_argument("--rounds", type=int, default=5, help="turns of both ways")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    kind = processor_kind(processor_flags())
    rows = list(_rows(options.rounds))
    print(f"{kind}: {json.dumps(rows)}")
    if options.write:
        table = json.loads(TABLE.read_text(encoding="utf-8"))
        table["processors"][kind] = rows
        write_text(TABLE, json.dumps(table, indent=2) + "\n")


def _rows(rounds: int) -> Iterator[dict[str, int]]:
    for size, stride in FILTERS:
        for channels in CHANNELS:
            largest = 0
            for side in SIDES:
                ratio = _ratio(size, stride, channels, side, rounds)
                print(f"{size}x{size}/{stride}, {channels} channels, {side} px: {ratio:.2f}")
                if ratio < WORTH:
                    break
                largest = side
            yield {"size": size, "stride": stride, "channels": channels, "largest_side": largest}


def _ratio(size: int, stride: int, channels: int, side: int, rounds: int) -> float:
    """Processor seconds of the library's gradient over those of the products, medians."""
    normal = tf.random.Generator.from_seed(0).normal
    large = tf.cast(normal((BATCH, side * stride, side * stride, channels)), tf.bfloat16)
    small = tf.cast(normal((BATCH, side, side, channels)), tf.bfloat16)
    shape = (size, size, channels, channels)

    def library() -> tf.Tensor:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=large,
            filter_sizes=shape,
            out_backprop=small,
            strides=[1, stride, stride, 1],
            padding="SAME",
        )

    ways = [
        tf.function(library),
        tf.function(lambda: filter_gradient(large, small, size, stride)),
    ]
    times: list[list[float]] = [[], []]
    for turn in range(rounds + 1):
        for place, way in enumerate(ways):
            spent = _seconds(way)
            if turn:
                times[place].append(spent)
    return statistics.median(times[0]) / statistics.median(times[1])


def _seconds(way: Callable[[], tf.Tensor]) -> float:
    started = time.process_time()
    way().numpy()
    return time.process_time() - started


if __name__ == "__main__":
    main()
