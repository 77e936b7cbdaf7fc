"""Speed of prediction on video: end to end, the network alone, and frame by frame (Section IV-B).

    python scripts/benchmark_predict.py --clip talk.mp4          # the paper's network, any weights
    python scripts/benchmark_predict.py --clip talk.mp4 --model saved_models/NAME --precision ...

Prints frames/s of the whole way from file to CSV beside those of the network alone on the
same faces, by turns; the latency of a stream; and how much faster a stream is than
computing the last 80 frames again for each new one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kaffect.serving import Predictor, export_model
from kaffect.serving.facts import Facts
from kaffect.serving.predict.people import PeopleReader, cropped_frames
from kaffect.serving.predict.run import PredictOptions, predict
from kaffect.serving.predict.sources import find_sources


@contextlib.contextmanager
def own_export(precision: str) -> Iterator[Path]:
    """The paper's network with random weights, exported."""
    from kaffect.models import layers_compute_in, vggface_gru_attention

    with layers_compute_in(precision):
        network = vggface_gru_attention(None, preprocessing="paper", seed=0)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "paper" / "1"
        yield export_model(network, out, Facts("random weights"), precision=precision)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def end_to_end(predictor: Predictor, clip: Path, rounds: int, detector: str) -> dict[str, float]:
    """Frames/s of file to CSV and of the network alone, by turns; medians."""
    from kaffect.faces import create_detector

    (source,) = find_sources(str(clip))
    rule = predictor.facts.crop_rule
    frames = list(cropped_frames(source.frames(), create_detector(detector), rule))
    print(f"{len(frames)} frames, {sum(len(f.crops) for f in frames)} faces in them")

    def whole() -> None:
        with tempfile.TemporaryDirectory() as folder:
            options = PredictOptions(Path(folder), summary=False, detector=detector)
            predict(source, predictor, options)

    def alone() -> None:
        for _ in PeopleReader(predictor).read(frames):
            pass

    def ahead() -> None:
        for _ in cropped_frames(source.frames(), create_detector(detector), rule):
            pass

    alone()  # warm
    times = [(seconds(whole), seconds(alone)) for _ in range(rounds)]
    before = seconds(ahead)
    both = np.median([len(frames) / np.array(pair) for pair in times], axis=0)
    share = float(np.median([a / w for w, a in times]))
    return {
        "end_to_end_frames_per_second": round(float(both[0]), 2),
        "network_alone_frames_per_second": round(float(both[1]), 2),
        "share_of_network_alone": round(share, 3),
        "decode_detect_track_frames_per_second": round(len(frames) / before, 1),
    }


def streaming(predictor: Predictor, steps: int, windows: int) -> dict[str, float]:
    """Latency of a stream per frame, and of its alternative: the last 80 frames again."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (80, *predictor.picture_shape), dtype=np.uint8)
    stream = predictor.stream()
    for k in range(5):
        stream.step(frames[k])
    latencies = [seconds(lambda: stream.step(frames[k % 80])) for k in range(steps)]
    predictor.predict_frames(frames[:2])
    again = [seconds(lambda: predictor.predict_frames(frames)) for _ in range(windows)]
    median = float(np.median(latencies))
    return {
        "stream_median_ms": round(1e3 * median, 2),
        "stream_p99_ms": round(1e3 * float(np.quantile(latencies, 0.99)), 2),
        "window_of_80_median_ms": round(1e3 * float(np.median(again)), 1),
        "stream_times_faster": round(float(np.median(again)) / median, 1),
    }


def main() -> None:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--clip", type=Path, help="a video with a face; without one only the stream")
    p.add_argument("--model", type=Path, help="an export; default the paper's size at random")
    p.add_argument("--precision", default="float32", choices=("float32", "mixed_bfloat16"))
    p.add_argument("--detector", default="haar", choices=("haar", "mtcnn"))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=200, help="frames of the stream")
    p.add_argument("--windows", type=int, default=3, help="windows of 80 frames")
    options = p.parse_args()
    given = contextlib.nullcontext(options.model) if options.model else None
    with given or own_export(options.precision) as folder:
        predictor = Predictor.from_saved_model(folder)
        found: dict[str, object] = {
            "model": predictor.facts.title,
            "precision": predictor.export.manifest["precision"],
            "processors": os.cpu_count(),
            "load": [round(x, 1) for x in os.getloadavg()],
        }
        found |= streaming(predictor, options.steps, options.windows)
        if options.clip:
            found |= end_to_end(predictor, options.clip, options.rounds, options.detector)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
