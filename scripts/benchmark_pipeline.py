"""How fast batches come from TFRecords (paper Section IV-C.2), and their share of a training step.

Three streams, as the experiments use them, each timed beside the training step that it feeds:

- frames: batches of 64 augmented pictures, and a step of the CNN on single frames;
- sequences: 10 x 80 pictures; their step would be the whole network's (`--end-to-end` times it);
- features: 10 x 80 cached features of a fixed CNN, and a step of RNN, attention and output layers.

The share is the time of a batch, made with nothing else to do, over the time of a step on a batch
that is already there: the most that the pipeline can cost, since it works ahead of the step.

Then, with op determinism on as in every table, a read and a step that take 30 ms each: the time
of both with TensorFlow's default for a NumPy function (stateful), and as the project has it.

    python scripts/benchmark_pipeline.py                      # renders a small data set first
    python scripts/benchmark_pipeline.py --prepared FOLDER    # a folder of `kaffect data prepare`
    python scripts/benchmark_pipeline.py --only overlap       # the last comparison alone
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from kaffect.config.recognition import (  # noqa: E402
    Pretraining,
    RecognitionLoss,
    RecognitionTraining,
)
from kaffect.data.batches.pipeline import training_frames, training_sequences  # noqa: E402
from kaffect.data.batches.sequences import make_windows  # noqa: E402
from kaffect.data.prepared.prepare import prepare_tree  # noqa: E402
from kaffect.data.prepared.records import FrameIndex, PreparedData  # noqa: E402
from kaffect.models import (  # noqa: E402
    frame_classifier,
    frame_encoder,
    sequence_head,
    vggface_gru_attention,
)
from kaffect.synthetic import SyntheticConfig, write_tree  # noqa: E402
from kaffect.training.multitask import (  # noqa: E402
    MultiTaskTrainer,
    adam,
    compiled,
    sequence_losses,
)
from kaffect.training.pretraining import frame_trainer  # noqa: E402

TARGET_FRAMES, TARGET_SHARE = 3000, 0.05
PAUSE = 0.03  # seconds of a read and of a step in the comparison of overlap


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, help="a prepared data set (default: render one)")
    parser.add_argument("--width", type=float, default=0.25, help="of the CNN; 1 is the paper's")
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds of each stream")
    parser.add_argument("--end-to-end", action="store_true", help="time the whole network's step")
    parser.add_argument("--only", choices=MEASUREMENTS, help="only this one")
    return parser.parse_args()


def small_data(folder: Path) -> Path:
    tree = write_tree(folder / "tree", SyntheticConfig.profile("smoke"), progress=False)
    return prepare_tree(tree, folder / "prepared", progress=False)


def batch_seconds(stream: tf.data.Dataset, batches: int, repeats: int) -> tuple[float, float]:
    """Median wall time of a batch, and processor time of a batch, both in seconds."""
    source: Iterator[Any] = iter(stream)
    for _ in range(4):  # fills the buffers, and lets the tuner find its threads
        next(source)
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(batches):
            next(source)
        walls.append((time.perf_counter() - wall) / batches)
        processors.append((time.process_time() - processor) / batches)
    return statistics.median(walls), statistics.median(processors)


def step_seconds(trainer: MultiTaskTrainer, batch: dict[str, tf.Tensor], repeats: int) -> float:
    step: Callable[[dict[str, tf.Tensor]], Any] = tf.function(trainer.train_step)
    step(batch)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        terms = step(batch)
        float(terms["loss"])
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def report(name: str, frames: int, seconds: tuple[float, float], step: float | None) -> None:
    wall, processor = seconds
    effort = processor / frames * 1e6
    text = f"{name:10s} {frames / wall:8.0f} frames/s, {effort:4.0f} us of processor a frame"
    if step is not None:
        text += f"; batch {wall * 1e3:6.1f} ms, step {step * 1e3:7.1f} ms: {wall / step:.1%}"
    print(text, flush=True)


def frame_stream(index: FrameIndex, options: argparse.Namespace) -> None:
    stream = training_frames(index, batch=64)
    encoder = frame_encoder(width=options.width, fc_units=1024, preprocessing="paper", seed=0)
    config = Pretraining(steps=100)
    trainer = frame_trainer(
        frame_classifier(encoder, seed=0), config, RecognitionTraining(), "float32"
    )
    step = step_seconds(trainer, next(iter(stream)), options.repeats)
    report("frames", 64, batch_seconds(stream, 20, options.repeats), step)


def sequence_stream(index: FrameIndex, options: argparse.Namespace) -> None:
    stream = training_sequences(index, make_windows(index))
    step = None
    if options.end_to_end:
        network = vggface_gru_attention(width=options.width, preprocessing="paper", seed=0)
        trainer = MultiTaskTrainer(network, sequence_losses(RecognitionLoss()), inputs="images")
        trainer = compiled(trainer, adam(RecognitionTraining(), "float32"))
        step = step_seconds(trainer, next(iter(stream)), 2)
    report("sequences", 800, batch_seconds(stream, 4, options.repeats), step)


def feature_stream(index: FrameIndex, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shape = (len(index.track), 4096)
        values = np.lib.format.open_memmap(f"{folder}/features.npy", "w+", np.float32, shape)
        values[:] = np.random.default_rng(0).uniform(size=shape)
        stream = training_sequences(index, make_windows(index), features=values)
        head = sequence_head(seed=0)
        trainer = MultiTaskTrainer(head, sequence_losses(RecognitionLoss()), inputs="features")
        trainer = compiled(trainer, adam(RecognitionTraining(), "float32"))
        step = step_seconds(trainer, next(iter(stream)), options.repeats)
        report("features", 800, batch_seconds(stream, 10, options.repeats), step)


class SlowFeatures(np.ndarray):
    """An array whose every look-up takes `PAUSE`, as from a slow disk."""

    def __getitem__(self, key: Any) -> Any:
        time.sleep(PAUSE)
        return super().__getitem__(key)


def read_and_step_seconds(index: FrameIndex, batches: int) -> tuple[float, list[list[int]]]:
    """Median time from one batch to the next with a step of `PAUSE` between, and their rows."""
    features = np.zeros((len(index.track), 8), np.float32).view(SlowFeatures)
    source = iter(training_sequences(index, make_windows(index), features=features))
    for _ in range(4):
        next(source)
    times, rows = [], []
    for _ in range(batches):
        start = time.perf_counter()
        rows.append(next(source)["row"].numpy().ravel().tolist())
        time.sleep(PAUSE)
        times.append(time.perf_counter() - start)
    return statistics.median(times), rows


def overlap(index: FrameIndex, options: argparse.Namespace) -> None:
    # There is no way back from this switch, so this measurement comes last.
    tf.config.experimental.enable_op_determinism()
    numpy_function = tf.numpy_function

    def stateful(function: Any, inputs: Any, types: Any, **_: Any) -> Any:
        return numpy_function(function, inputs, types)

    batches = 8 * options.repeats
    with mock.patch.object(tf, "numpy_function", stateful):
        before, first_rows = read_and_step_seconds(index, batches)
    after, rows = read_and_step_seconds(index, batches)
    print(
        f"overlap    read {PAUSE * 1e3:.0f} ms, step {PAUSE * 1e3:.0f} ms, op determinism: "
        f"both {before * 1e3:.1f} ms with a stateful NumPy function, {after * 1e3:.1f} ms as here "
        f"(medians of {batches}); {'same' if rows == first_rows else 'ANOTHER'} order"
    )


MEASUREMENTS: dict[str, Callable[[FrameIndex, argparse.Namespace], None]] = {
    "frames": frame_stream,
    "sequences": sequence_stream,
    "features": feature_stream,
    "overlap": overlap,
}


def main() -> None:
    options = parse()
    print(f"targets: at least {TARGET_FRAMES} frames/s, at most {TARGET_SHARE:.0%} of a step")
    with tempfile.TemporaryDirectory() as folder:
        data = PreparedData.open(options.prepared or small_data(Path(folder)))
        index = data.split("train")
        print(f"{len(index)} frames of {data.crop_rule.image_size} pixels, {data.encoding}")
        for name, measure in MEASUREMENTS.items():
            if options.only in (None, name):
                measure(index, options)


if __name__ == "__main__":
    main()
