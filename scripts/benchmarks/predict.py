"""Prediction on a video with the project's own network, end to end beside its parts alone.

`BENCHMARK_CLIPS=talk.mp4` takes another video than a rendered one of 640x480 pixels.
"""

from __future__ import annotations

from scripts.benchmarks.frame import Benchmark
from scripts.benchmarks.frame.prediction import share_of_slower_part, variants

DETECTORS = ("haar", "mtcnn")
BENCHMARK = Benchmark(
    title="prediction on a video of 640x480, own network, a frame at 30 a second",
    variants=variants("own", DETECTORS),
    figures=[share_of_slower_part("own", detector, least=0.9) for detector in DETECTORS],
    amount=1,
    unit="frames",
    steps=1,
    warmup=1,
    turns=5,
)
