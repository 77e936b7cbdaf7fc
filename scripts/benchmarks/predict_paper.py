"""Prediction on a video with a network of the paper's size, end to end beside its parts alone.

VGG-Face-GRU-attention (Section IV-B) with random weights; faces found by Haar's cascade.
"""

from __future__ import annotations

from scripts.benchmarks.frame import Benchmark
from scripts.benchmarks.frame.prediction import share_of_slower_part, variants

PRECISIONS = ("float32", "mixed_bfloat16")
BENCHMARK = Benchmark(
    title="prediction on a video of 640x480, VGG-Face-GRU-attention, a frame at 30 a second",
    variants={
        name: variant
        for precision in PRECISIONS
        for name, variant in variants(precision, ("haar",)).items()
    },
    figures=[share_of_slower_part(precision, "haar", least=0.9) for precision in PRECISIONS],
    amount=1,
    unit="frames",
    steps=1,
    warmup=1,
)
