"""Videos for the benchmarks that read some: rendered ones, or those of `BENCHMARK_CLIPS`."""

from __future__ import annotations

import os
from pathlib import Path

SECONDS = 8.0


def clips(folder: Path, count: int = 1, size: tuple[int, int] = (640, 480)) -> list[Path]:
    """Files of videos of faces.

    Args:
        folder: in which rendered ones are written.
        count: of rendered ones, each about `SECONDS` long; size: theirs, (width, height).

    Returns:
        The files that the environment variable `BENCHMARK_CLIPS` names (with colons between them),
        or rendered ones where it is not set.
    """
    if given := os.environ.get("BENCHMARK_CLIPS"):
        return [Path(name) for name in given.split(os.pathsep)]
    from kaffect.data.video.mp4 import Mp4Writer
    from kaffect.synthetic import SyntheticConfig, make_plan, render_video

    config = SyntheticConfig(
        sizes=(size,), seconds=SECONDS, expression_videos=(count, 0, 0), au_videos=(0, 0, 0)
    )
    paths = []
    for video in make_plan(config):
        paths.append(folder / f"{video.name}.mp4")
        with Mp4Writer(paths[-1], video.fps, config.preset, config.crf) as writer:
            for image in render_video(video):
                writer.add(image)
    return paths
