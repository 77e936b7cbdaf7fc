"""Prints how fast synthetic Aff-Wild is drawn, and drawn and encoded, in frames per second.

python scripts/benchmark_renderer.py [--processes 2] [--videos 8] [--seconds 6]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kaffect.data.video.mp4 import Mp4Writer  # noqa: E402
from kaffect.synthetic import SyntheticConfig, VideoPlan, make_plan, render_video  # noqa: E402


def draw(video: VideoPlan) -> tuple[int, float]:
    """Frames drawn and processor seconds used."""
    begin = time.process_time()
    return sum(1 for _ in render_video(video)), time.process_time() - begin


def write(video: VideoPlan) -> tuple[int, float]:
    """Frames drawn and encoded and processor seconds used."""
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        path, config = Path(folder) / "video.mp4", video.config
        with Mp4Writer(path, video.fps, config.preset, config.crf) as writer:
            for image in render_video(video):
                writer.add(image)
    return writer.frames, time.process_time() - begin


def _one_thread() -> None:
    cv2.setNumThreads(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--videos", type=int, default=8, help="in each of 3 repetitions")
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    config = SyntheticConfig(sizes=((320, 240),), seconds=arguments.seconds)
    videos = make_plan(config)[: arguments.videos]
    context = multiprocessing.get_context("spawn")
    with context.Pool(arguments.processes, initializer=_one_thread) as pool:
        pool.map(draw, videos[: arguments.processes], 1)  # warm up
        for name, work in (("drawing", draw), ("drawing and encoding", write)):
            rates, busy = [], []
            for _ in range(3):
                begin = time.perf_counter()
                results = pool.map(work, videos, 1)
                frames = sum(count for count, _ in results)
                rates.append(frames / (time.perf_counter() - begin))
                busy.append(frames / sum(seconds for _, seconds in results))
            print(
                f"{name}: {statistics.median(rates):.0f} frames/s at 320x240 on "
                f"{arguments.processes} processes (median of 3; "
                f"{min(rates):.0f} to {max(rates):.0f}); "
                f"{statistics.median(busy):.0f} per second of processor time"
            )


if __name__ == "__main__":
    main()
