"""Preparation on many machines as an Apache Beam pipeline (paper Section III, at any size).

For those whose videos outgrow one machine. Each worker writes the parts of a video
into the folder beside the output, which all machines must share; the merge, and with
it every byte of the result, is that of `prepare_tree`.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2

from kaffect.data.prepared.prepare import BAD_INPUT, Failures, Runner, RunnerOptions
from kaffect.data.prepared.settings import PrepareSettings
from kaffect.data.prepared.video_job import VideoJob
from kaffect.errors import AnnotationError, ConfigError, DatasetError, KaffectError, VideoError
from kaffect.files import read_json, write_json


def beam_runner(options: str = "") -> Runner:
    """A `runner` for `prepare_tree`.

    Args:
        options: of the pipeline, as on Beam's own command lines, such as
            "--runner=FlinkRunner --flink_master=HOST:8081" or
            "--direct_num_workers=4 --direct_running_mode=multi_processing".

    Raises:
        ConfigError: apache-beam is not installed.
    """
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "a Beam pipeline needs the package apache-beam: pip install 'kaffect[beam]'. "
            f"Received: {error}"
        ) from error
    return functools.partial(_run_in_beam, shlex.split(options))


def _run_in_beam(
    arguments: list[str],
    videos: Sequence[VideoJob],
    settings: PrepareSettings,
    options: RunnerOptions,
) -> Failures:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    todo = [video for video in videos if video.passes]
    for video in todo:
        _error_file(video).unlink(missing_ok=True)
    if todo:
        with beam.Pipeline(options=PipelineOptions(arguments)) as pipeline:
            work = pipeline | "videos" >> beam.Create(todo)
            # Reshuffle: otherwise a runner may do all videos in one place.
            work = work | "spread" >> beam.Reshuffle()
            _ = work | "prepare" >> beam.Map(_prepare, settings=settings)
    failures = {video.video: _failure(video) for video in todo if video.passes}
    if failures and not options.keep_going:
        raise next(iter(failures.values()))
    return failures


def _prepare(video: VideoJob, settings: PrepareSettings) -> str:
    """On a worker: write the parts of one video, or record its error."""
    cv2.setNumThreads(1)
    try:
        video.run(settings, lambda frames: None)
    except BAD_INPUT as error:
        write_json(_error_file(video), _as_json(error))
    return video.video.name


def _error_file(video: VideoJob) -> Path:
    part = video.tracks[0].part
    return part.with_name(part.name + ".error")


def _as_json(error: KaffectError) -> dict[str, Any]:
    if isinstance(error, AnnotationError):
        place = f"{error.path}:{error.line}" if error.line is not None else f"{error.path}"
        problem = str(error).removeprefix(f"{place}: ")
        return {"path": str(error.path), "line": error.line, "problem": problem}
    return {"problem": str(error)}


def _failure(video: VideoJob) -> KaffectError:
    path = _error_file(video)
    if not path.is_file():
        return DatasetError(
            f"{video.video}: no worker wrote its part into {path.parent}. Expected a folder that "
            "all workers share"
        )
    record = read_json(path)
    path.unlink()
    if "path" in record:
        return AnnotationError(record["path"], record["line"], record["problem"])
    return VideoError(record["problem"])
