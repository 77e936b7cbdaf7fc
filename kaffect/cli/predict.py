"""`kaffect predict`: a trained network on a video, pictures, a camera or a stream."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from kaffect.config.preparation import DETECTORS, NO_DETECTOR
from kaffect.errors import ConfigError

# Seconds; best on rendered validation videos (docs/predict.md).
SMOOTH = 0.05


def register(commands: Any) -> None:
    """Add the command to the command line."""
    predict = commands.add_parser("predict", help="read the faces of a video, camera or stream")
    predict.add_argument(
        "source", help="video, picture, folder of either, camera number (0) or stream address"
    )
    predict.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="an export (saved_models/NAME), or a training (its results folder or run); default: "
        "the project's own network",
    )
    predict.add_argument(
        "--out", type=Path, default=Path("predictions"), help="folder (default predictions/)"
    )
    predict.add_argument("--json", action="store_true", help="write JSON lines too")
    predict.add_argument("--overlay", action="store_true", help="write an MP4 with the answers")
    predict.add_argument("--no-summary", action="store_true", help="no PNG and HTML page")
    predict.add_argument("--live", action="store_true", help="show answers while they come")
    predict.add_argument(
        "--detector",
        choices=[name for name in DETECTORS if name != NO_DETECTOR],
        help="default: the one that the network was trained with, or haar where that is not known",
    )
    predict.add_argument("--detector-model", type=Path, metavar="FILE", help="for mediapipe")
    predict.add_argument(
        "--batch", type=int, default=16, metavar="N", help="faces read together (default 16)"
    )
    predict.add_argument(
        "--max-gap",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds without the face after which a person starts anew (default 1)",
    )
    predict.add_argument("--start", default="0", metavar="T", help="seconds or [h:]mm:ss")
    predict.add_argument("--end", metavar="T", help="seconds or [h:]mm:ss; default: the end")
    predict.add_argument(
        "--every", type=int, default=1, metavar="N", help="rows for every N-th frame of the source"
    )
    predict.add_argument(
        "--smooth",
        type=float,
        nargs="?",
        const=SMOOTH,
        default=0.0,
        metavar="S",
        help="less flicker: a mean over the last moments, of time constant S seconds "
        f"(without a number {SMOOTH:g}; default: none)",
    )
    predict.set_defaults(run=run_predict)


def _export_of(model: Path) -> Path:
    """An export as it is; of a training the export in the cache, so that one way loads both."""
    from kaffect.training.runs import is_run, runs_below

    if not is_run(model) and not any(runs_below(model)):
        return model
    from kaffect.serving.run_export import cached_export

    return cached_export(model)


def run_predict(options: argparse.Namespace) -> None:
    """`kaffect predict`."""
    if options.batch < 1 or not options.max_gap > 0:
        raise ConfigError("--batch and --max-gap: expected positive numbers")
    from kaffect.faces import other_detector
    from kaffect.serving.own_detector import detector_of
    from kaffect.serving.own_model import announced_own_model
    from kaffect.serving.predict.run import PredictOptions, predict
    from kaffect.serving.predict.segment import Segment, parse_time
    from kaffect.serving.predict.smoothing import Smoother
    from kaffect.serving.predict.sources import find_sources
    from kaffect.serving.predictor import Predictor

    start = parse_time(options.start, "--start")
    end = math.inf if options.end is None else parse_time(options.end, "--end")
    segment = Segment(start, end, options.every)
    Smoother(options.smooth, options.max_gap)
    if options.every > 1 and options.overlay:
        raise ConfigError("--every: a film needs every frame; leave out --overlay")
    sources = find_sources(options.source)
    model = announced_own_model() if options.model is None else _export_of(options.model)
    predictor = Predictor.from_saved_model(model)
    detector = detector_of(predictor.facts, options.detector, options.detector_model)
    if note := other_detector(predictor.facts.detector, detector.describe()):
        print(f"note: {note}")
    settings = PredictOptions(
        out=options.out,
        json=options.json,
        overlay=options.overlay,
        summary=not options.no_summary,
        live=options.live,
        detector=options.detector,
        detector_model=options.detector_model,
        batch=options.batch,
        max_gap=options.max_gap,
        segment=segment,
        smooth=options.smooth,
    )
    for source in sources:
        result = predict(source, predictor, settings)
        rate = result.frames / max(result.seconds, 1e-9)
        people = "1 person" if result.people == 1 else f"{result.people} people"
        print(
            f"{source.name}: {result.frames} frames ({result.without_face} without a face), "
            f"{people}, {rate:.1f} frames/s"
        )
        print(f"  {', '.join(str(path) for path in result.files)}")
    if predictor.facts.data.get("kind") == "synthetic":
        print("note: this network was trained on synthetic faces; it knows no real face")
