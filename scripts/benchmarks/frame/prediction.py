"""Variants of the benchmarks of prediction: a network, the whole way to CSV, and its two parts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.benchmarks.frame.measure import Figure, Results, Step, Time, Variant

if TYPE_CHECKING:
    from kaffect.serving.predictor import Predictor

END, NETWORK, READING = "end to end", "network alone", "decode, detect, follow alone"
OWN = "own"


def predictor_of(network: str) -> Predictor:
    """`OWN`, or a network of the paper's size in a precision, with random weights."""
    from kaffect.serving.own_model import OWN_MODEL
    from kaffect.serving.predictor import Predictor

    if network == OWN:
        return Predictor.from_saved_model(OWN_MODEL)
    from kaffect.models import layers_compute_in, vggface_gru_attention
    from kaffect.serving import export_model
    from kaffect.serving.facts import Facts

    with layers_compute_in(network):
        model = vggface_gru_attention(None, preprocessing="paper", seed=0)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "paper" / "1"
        export_model(model, out, Facts("random weights"), precision=network)
        return Predictor.from_saved_model(out)


def prediction_step(network: str, detector: str, part: str) -> Step:
    """Seconds and processor seconds of a frame at 30 a second."""
    from kaffect.faces import create_detector
    from kaffect.serving.predict.people import PeopleReader, cropped_frames
    from kaffect.serving.predict.run import PredictOptions, predict
    from kaffect.serving.predict.sources import find_sources
    from scripts.benchmarks.frame.clips import clips

    predictor = predictor_of(network)
    root = Path(tempfile.mkdtemp())
    (source,) = find_sources(str(clips(root)[0]))
    options = PredictOptions(root / "out", summary=False, detector=detector)
    rule = predictor.facts.crop_rule

    def reading() -> Iterable[object]:
        return cropped_frames(source.frames(), create_detector(detector), rule)

    cut_out = list(reading())
    frames = len(cut_out)
    if not sum(len(frame.crops) for frame in cut_out):  # type: ignore[attr-defined]
        raise ValueError(f"{source.where}: {detector} finds no face there")
    work: dict[str, Callable[[], object]] = {
        END: lambda: predict(source, predictor, options),
        NETWORK: lambda: sum(1 for _ in PeopleReader(predictor).read(cut_out)),  # type: ignore
        READING: lambda: sum(1 for _ in reading()),
    }

    def step() -> Time:
        began, busy = time.perf_counter(), time.process_time()
        work[part]()
        return (time.perf_counter() - began) / frames, (time.process_time() - busy) / frames

    return step


def variants(network: str, detectors: Iterable[str]) -> dict[str, Variant]:
    """The whole way and its two parts, with each detector."""
    return {
        f"{network}, {detector}: {part}": Variant(
            partial(prediction_step, network, detector, part), own_time=True
        )
        for detector in detectors
        for part in (END, NETWORK, READING)
    }


def share_of_slower_part(network: str, detector: str, least: float) -> Figure:
    """Frames a second of the whole way, over those of the slower of its two parts alone."""

    def share(results: Results) -> float:
        whole, *parts = (
            results[f"{network}, {detector}: {part}"].seconds for part in (END, NETWORK, READING)
        )
        return max(parts) / whole

    return Figure(f"{network}, {detector}: end to end / slower part alone", share, least=least)
