"""A source through detector, tracker and network into tables, films and summaries."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaffect.background import in_background
from kaffect.data.video.media import MOST_WAITING_BYTES
from kaffect.errors import VideoError
from kaffect.faces import FaceDetector, TrackerConfig, other_detector
from kaffect.files import atomic_write, write_text
from kaffect.progress import ProgressDisplay
from kaffect.serving.own_detector import detector_of
from kaffect.serving.predict.drawing import Overlay
from kaffect.serving.predict.film import Film
from kaffect.serving.predict.live import Stopped, live_view
from kaffect.serving.predict.people import (
    CroppedFrame,
    FrameAnswer,
    PeopleReader,
    cropped_frames,
    with_readings,
)
from kaffect.serving.predict.segment import Segment, needed_faces, only_asked
from kaffect.serving.predict.smoothing import Smoother
from kaffect.serving.predict.sources import Source, SourceFrame, find_sources
from kaffect.serving.predict.summary import Summary
from kaffect.serving.predict.tables import CsvTable, JsonLines, answer_columns, rows
from kaffect.serving.predictor import MAX_GAP, Predictor

# Frames that reading may be ahead of the network; of large ones fewer (MOST_WAITING_BYTES).
_AHEAD = 64


@dataclass(frozen=True)
class PredictOptions:
    """What to write and how.

    Attributes:
        out: folder of all files.
        json, overlay, summary: which to write beside the CSV.
        live: show answers while they come.
        detector, detector_model: of faces, see `detector_of`; None: the network's own.
        batch: faces that go through the CNN together.
        max_gap: seconds after which a person who returns starts anew.
        segment: which part of the source gets rows.
        smooth: time constant of `Smoother` in seconds; 0: none.
    """

    out: Path
    json: bool = False
    overlay: bool = False
    summary: bool = True
    live: bool = False
    detector: str | None = None
    detector_model: Path | None = None
    batch: int = 16
    max_gap: float = MAX_GAP
    segment: Segment = Segment()
    smooth: float = 0.0
    tracker: TrackerConfig = TrackerConfig()


@dataclass(frozen=True)
class PredictResult:
    """What came of one source.

    Attributes:
        frames: of the source; without_face: how many of them have no face.
        people: how many were told apart.
        seconds: that it took.
        files: that were written.
    """

    frames: int
    without_face: int
    people: int
    seconds: float
    files: tuple[Path, ...]


def predict(source: Source, predictor: Predictor, options: PredictOptions) -> PredictResult:
    """Read `source` and write what the network says of it.

    Files appear when they are complete; a source that fails half-way leaves none.

    Raises:
        VideoError: the source cannot be read, ends before the part that was asked for, or is
            one picture without a face.
        ConfigError: an unknown detector, or one that is not installed.
    """
    started = time.monotonic()
    # One for each source: the tracker knows the people of one video.
    detector = detector_of(predictor.facts, options.detector, options.detector_model)
    summary = Summary(predictor, source.name)
    with contextlib.ExitStack() as files:
        outputs = _Outputs(source, predictor, options, files)
        total = source.expected_frames(predictor.facts.fps)
        shown = files.enter_context(ProgressDisplay(total or 0, source.name, "frame"))
        try:
            for answer in answers(source, predictor, detector, options):
                for row in rows(answer, predictor):
                    outputs.add(row)
                    summary.add(row)
                outputs.show(answer)
                shown.update()
        except (KeyboardInterrupt, Stopped):
            # A camera ends when the user says so; a file was not read to its end.
            if not (source.live or options.live):
                raise
        _require_rows(source, detector, options.segment, summary)
        outputs.close()
    written = list(outputs.paths)
    if options.summary:
        written += _write_summary(summary, options.out / source.name)
    seconds = time.monotonic() - started
    return PredictResult(
        summary.frames, summary.without_face, len(summary.people), seconds, tuple(written)
    )


def _require_rows(
    source: Source, detector: FaceDetector, segment: Segment, summary: Summary
) -> None:
    if not segment.whole and not summary.frames:
        raise VideoError(f"{source.where}: has no frame at --start {segment.start:g} seconds")
    if source.one_picture and not summary.people:
        raise VideoError(
            f"{source.where}: no face was found by {detector.name!r}; it finds none of less than "
            "about 20 pixels. --detector takes another detector"
        )


def read_faces(
    source: str | Path, predictor: Predictor, detector: str | None = None
) -> Iterator[dict[str, Any]]:
    """What a network says of every face of a video, picture, camera or stream, row by row.

    Args:
        source: as `kaffect predict` takes it.
        detector: of faces, see `create_detector`; None: the network's own. Another one is a
            `UserWarning`: the network was not trained on its boxes.

    Yields:
        For each frame of the source and person `frame` (from 1), `time` (seconds), `person`, the
        box in pixels, and by name what the network reads: `valence` and `arousal` in [-1, 1],
        `expression`, Action Units; `face` is 0 where there is none, and then nothing else is there.

    Raises:
        VideoError: the source cannot be read.
        ConfigError: an unknown detector, or one that is not installed.
    """
    options = PredictOptions(out=Path(), detector=detector)
    used = detector_of(predictor.facts, detector).describe()
    if note := other_detector(predictor.facts.detector, used):
        warnings.warn(note, stacklevel=2)
    for found in find_sources(str(source)):
        finder = detector_of(predictor.facts, detector)
        for answer in answers(found, predictor, finder, options):
            yield from rows(answer, predictor)


def answers(
    source: Source, predictor: Predictor, detector: FaceDetector, options: PredictOptions
) -> Iterator[FrameAnswer]:
    """The answers for every frame of `source`; reading and tracking run ahead in a thread."""
    at_once = source.live or options.live
    batch = 1 if at_once else options.batch
    fps, segment = predictor.facts.fps, options.segment
    reader = PeopleReader(predictor, batch, options.max_gap)
    smoother = Smoother(options.smooth, options.max_gap)

    def asked(frame: SourceFrame) -> bool:
        return any(segment.wanted(*each) for each in frame.stands_for)

    cropped = cropped_frames(
        source.frames(fps), detector, predictor.facts.crop_rule, options.tracker, at_once=at_once
    )
    # A camera's frames come at any time, so that their numbers say nothing of it.
    if not source.live and segment.start:
        first = max(0, segment.first(fps) - smoother.memory(fps))
        cropped = needed_faces(cropped, first, predictor.reset_every, round(options.max_gap * fps))
    if segment.every > 1 and not predictor.recurrent and not smoother.seconds:
        cropped = only_asked(cropped, asked)
    ahead = 1 if at_once else _AHEAD
    read = with_readings(cropped, asked)
    ready = in_background(read, ahead, _bytes, MOST_WAITING_BYTES, name="frames")
    with contextlib.closing(ready) as waiting:
        yield from segment.of_answers(smoother(reader.read(waiting)))


def _bytes(cropped: CroppedFrame) -> int:
    return cropped.frame.image.nbytes


class _Outputs:
    """The files of one source, and the live view."""

    def __init__(
        self,
        source: Source,
        predictor: Predictor,
        options: PredictOptions,
        files: contextlib.ExitStack,
    ) -> None:
        self._predictor, self._options, self._files = predictor, options, files
        self._stem = options.out / source.name
        columns = answer_columns(predictor)
        self.paths = [_named(self._stem, ".csv")]
        self._tables: list[CsvTable | JsonLines] = [
            CsvTable(files.enter_context(atomic_write(self.paths[0])), columns)
        ]
        if options.json:
            self.paths.append(_named(self._stem, ".jsonl"))
            handle = files.enter_context(atomic_write(self.paths[-1]))
            self._tables.append(JsonLines(handle, columns))
        self._overlay: Overlay | None = None
        self._film: Film | None = None
        self._live: Any = None

    def add(self, row: dict) -> None:
        for table in self._tables:
            table.add(row)

    def show(self, answer: FrameAnswer) -> None:
        height, width = answer.frame.image.shape[:2]
        if self._options.overlay:
            if self._film is None or self._overlay is None:
                self._overlay = Overlay(self._predictor, (width, height))
                self.paths.append(_named(self._stem, ".mp4"))
                handle = self._files.enter_context(atomic_write(self.paths[-1], "w+b"))
                fps = self._predictor.facts.fps
                self._film = Film(handle, self._overlay.size, fps)
            self._film.add(self._overlay.draw(answer))
        if self._options.live:
            if self._live is None:
                self._live = live_view(self._predictor, (width, height))
                self._files.callback(self._live.close)
            self._live.show(answer)

    def close(self) -> None:
        if self._film is not None:
            self._film.close()


def _write_summary(summary: Summary, stem: Path) -> list[Path]:
    png = summary.png()
    paths = [_named(stem, ".png"), _named(stem, ".html")]
    with atomic_write(paths[0], "wb") as handle:
        handle.write(png)
    write_text(paths[1], summary.html(png))
    return paths


def _named(stem: Path, suffix: str) -> Path:
    """The suffix behind the whole name, dots and all; never outside of the folder."""
    if stem.name in ("", ".", ".."):
        raise VideoError(f"{stem}: no name for the files that would be written")
    return stem.with_name(stem.name + suffix)
