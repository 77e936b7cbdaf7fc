"""Preparation of videos (Section III): from files without face boxes to records, 640x480.

`BENCHMARK_CLIPS=talk.mp4:other.mp4` takes other videos than rendered ones.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path

from scripts.benchmarks.frame import Benchmark, Figure, Variant
from scripts.benchmarks.frame.measure import Results, Step, Time

VIDEOS = 2


def prepare_step(detector: str) -> Step:
    """Seconds and processor seconds of a frame of the source."""
    import numpy as np

    from kaffect.data.prepared.prepare import prepare_tree
    from kaffect.data.prepared.records import PreparedData
    from kaffect.faces import create_detector
    from scripts.benchmarks.frame.clips import clips

    root = Path(tempfile.mkdtemp())
    (root / "videos").mkdir()
    labels = root / "annotations" / "VA_Set" / "Training_Set"
    labels.mkdir(parents=True)
    frames = 0
    for path in clips(root / "videos", VIDEOS):
        here = root / "videos" / path.name
        if not here.exists():
            here.symlink_to(path.absolute())
        count = _length(here)
        text = "valence,arousal\n" + "0.1,0.2\n" * count
        (labels / f"{path.stem}.txt").write_text(text, encoding="ascii")
        frames += count
    # What is loaded once does not count: networks of the detector, and TensorFlow.
    create_detector(detector).detect([np.zeros((480, 640, 3), np.uint8)] * 8)
    assert PreparedData

    def step() -> Time:
        with tempfile.TemporaryDirectory() as folder:
            began, busy = time.perf_counter(), time.process_time()
            prepare_tree(root, Path(folder) / "out", detector=detector, progress=False)
            wall, used = time.perf_counter() - began, time.process_time() - busy
        return wall / frames, used / frames

    return step


def _length(path: Path) -> int:
    from kaffect.data.video.resample import VideoReader

    reader = VideoReader(path)
    for _ in reader:
        pass
    return reader.decoded


def _rate(variant: str, results: Results) -> float:
    return 1 / results[variant].seconds


DETECTORS = ("haar", "mtcnn")
BENCHMARK = Benchmark(
    title=f"preparation of {VIDEOS} videos at a time, 640x480, a frame of the source",
    variants={name: Variant(partial(prepare_step, name), own_time=True) for name in DETECTORS},
    figures=[
        Figure(f"{name}: frames a second", partial(_rate, name), least=60.0) for name in DETECTORS
    ],
    amount=1,
    unit="frames",
    steps=1,
    warmup=1,
)
