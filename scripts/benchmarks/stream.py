"""A stream of one face, frame by frame, with a network of the paper's size (Section IV-B)."""

from __future__ import annotations

from functools import partial

from scripts.benchmarks.frame import Benchmark, Figure, Variant, ratio
from scripts.benchmarks.frame.measure import Results, Step
from scripts.benchmarks.frame.prediction import predictor_of

PRECISIONS = ("float32", "mixed_bfloat16")
WINDOW = "float32, last 80 frames again"


def stream_step(precision: str) -> Step:
    """One frame."""
    import itertools

    import numpy as np

    predictor = predictor_of(precision)
    shape = (80, *predictor.picture_shape)
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    stream, order = predictor.stream(), itertools.cycle(range(len(frames)))
    return lambda: stream.step(frames[next(order)])


def window_step(precision: str) -> Step:
    """The alternative to a stream: the last 80 frames again for each new one."""
    import numpy as np

    predictor = predictor_of(precision)
    shape = (80, *predictor.picture_shape)
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return lambda: predictor.predict_frames(frames)


def _milliseconds(results: Results) -> float:
    return 1e3 * min(results[name].seconds for name in PRECISIONS if name in results)


BENCHMARK = Benchmark(
    title="one frame of a stream of one face, VGG-Face-GRU-attention",
    variants={
        "float32": Variant(partial(stream_step, "float32")),
        "mixed_bfloat16": Variant(partial(stream_step, "mixed_bfloat16"), needs=("bfloat16",)),
        WINDOW: Variant(partial(window_step, "float32"), steps=1, warmup=1),
    },
    figures=[
        Figure("median of the better precision, ms", _milliseconds, most=25.0),
        ratio("last 80 frames again / stream, float32", [WINDOW], ["float32"]),
    ],
    amount=1,
    unit="frames",
    steps=40,
    warmup=10,
    turns=5,
)
