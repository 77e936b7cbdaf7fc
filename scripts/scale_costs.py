"""What a data set of any size costs: measured for each frame here, then multiplied (docs/scale.md).

    python scripts/scale_costs.py                          # Aff-Wild2 and a thousand times that
    python scripts/scale_costs.py --frames 522000 --videos 119

Times are processor time of one thread's worth of work, which hardly depends on what else the
machine does. Networks have the paper's size (13 convolutions, FC 4096, 10 sequences of 80 frames)
and random weights; the frames are rendered, 96x96 when prepared. A face detector is timed apart,
since a tree with `boxes/` needs none.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Before TensorFlow starts: of several threads, those that wait for work cost time as well.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from kaffect.config.recognition import (  # noqa: E402
    Pretraining,
    RecognitionLoss,
    RecognitionTraining,
)
from kaffect.data.prepared.prepare import prepare_tree  # noqa: E402
from kaffect.data.prepared.records import PreparedData  # noqa: E402
from kaffect.faces import create_detector  # noqa: E402
from kaffect.models import (  # noqa: E402
    frame_classifier,
    frame_encoder,
    layers_compute_in,
    sequence_head,
)
from kaffect.processor import processor_name  # noqa: E402
from kaffect.studies.pictures import read_images  # noqa: E402
from kaffect.synthetic import SyntheticConfig, write_tree  # noqa: E402
from kaffect.training.multitask import (  # noqa: E402
    MultiTaskTrainer,
    adam,
    compiled,
    sequence_losses,
)
from kaffect.training.prediction import predictor  # noqa: E402
from kaffect.training.pretraining import frame_trainer  # noqa: E402

FEATURES, BATCH, SEQUENCES, LENGTH = 4096, 16, 10, 80
# As docs/data.md has them: of the CNN's training and of a row's, in frames, whatever the data.
CNN_FRAMES = 20 * 1000 * 64
ROW_FRAMES = 60 * 250 * SEQUENCES * LENGTH
# Of a source video, bits a second at 30 frames a second; an assumption, stated on the page.
VIDEO_BYTES = 2e6 / 8 / 30


def busy(work: Callable[[], Any], repeats: int = 3) -> float:
    """Median processor seconds of a call, after one that compiles."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def preparation(folder: Path) -> tuple[float, float, np.ndarray]:
    """Processor seconds and bytes of a prepared frame, with face boxes given; and one face."""
    tree = write_tree(folder / "tree", SyntheticConfig.profile("smoke"), progress=False)
    start = time.process_time()
    out = prepare_tree(tree, folder / "prepared", detector="none", progress=False)
    seconds = time.process_time() - start
    data = PreparedData.open(out)
    frames = sum(len(data.split(name)) for name in data.splits)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    index = data.split("train")
    face = read_images(index, index.rows[index.has_face[index.rows]][:1])[0]
    return seconds / frames, size / frames, face


def detection(face: np.ndarray) -> float:
    """Processor seconds of MTCNN for one frame of 640x360 with one face, 192 pixels high."""
    detector = create_detector("mtcnn")
    frame = np.full((360, 640, 3), 128, np.uint8)
    frame[84:276, 224:416] = cv2.resize(face, (192, 192))
    return busy(lambda: detector.detect([frame]))


def cnn(policy: str) -> tuple[float, float]:
    """Processor seconds of a frame: its features, and an update of the CNN with it."""
    images = np.random.default_rng(0).integers(0, 255, (BATCH, 96, 96, 3)).astype(np.uint8)
    with layers_compute_in(policy):
        encoder = frame_encoder(fc_units=FEATURES, preprocessing="paper", seed=0)
        network = frame_classifier(encoder, seed=0)
    encode = predictor(encoder)
    features = busy(lambda: encode(tf.constant(images))) / BATCH
    trainer = frame_trainer(network, Pretraining(steps=100), RecognitionTraining(), policy)
    batch = {"images": tf.constant(images), **labels(BATCH)}
    step = tf.function(trainer.train_step)
    return features, busy(lambda: step(batch)) / BATCH


def row(policy: str) -> tuple[float, float]:
    """Processor seconds of a frame: an update of RNN, attention and outputs, and their answer."""
    values = np.random.default_rng(0).random((SEQUENCES, LENGTH, FEATURES), np.float32)
    with layers_compute_in(policy):
        head = sequence_head(seed=0)
    trainer = MultiTaskTrainer(head, sequence_losses(RecognitionLoss()), inputs="features")
    trainer = compiled(trainer, adam(RecognitionTraining(), policy))
    batch = {"features": tf.constant(values), **labels(SEQUENCES, LENGTH)}
    step, answer = tf.function(trainer.train_step), predictor(head)
    frames = SEQUENCES * LENGTH
    update = busy(lambda: step(batch)) / frames
    return update, busy(lambda: answer(tf.constant(values))) / frames


def labels(*shape: int) -> dict[str, tf.Tensor]:
    """As the batches of `kaffect.data.batches.pipeline` have them, all valid."""
    generator = np.random.default_rng(1)
    return {
        "valence_arousal": tf.constant(generator.uniform(-1, 1, (*shape, 2)).astype(np.float32)),
        "va_valid": tf.ones(shape, tf.bool),
        "expression": tf.constant(generator.integers(0, 7, shape).astype(np.int32)),
        "expression_valid": tf.ones(shape, tf.bool),
        "action_units": tf.zeros((*shape, 8), tf.int8),
        "au_valid": tf.zeros(shape, tf.bool),
        "row": tf.zeros(shape, tf.int64),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=float, default=2.8e6, help="of the data set")
    parser.add_argument("--videos", type=int, default=594, help="of the data set")
    parser.add_argument("--precision", default="float32", help="of the networks")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare, record, face = preparation(Path(folder))
    features, train = cnn(options.precision)
    update, answer = row(options.precision)
    costs = {"prepare, boxes given": prepare, "MTCNN": detection(face), "features": features}
    costs |= {"CNN update": train, "row update": update, "row answer": answer}
    print(f"{processor_name()}, {options.precision}; processor milliseconds for a frame")
    for name, seconds in costs.items():
        print(f"  {name:20s} {1e3 * seconds:9.3f}")
    print(f"  bytes: prepared {record:.0f}, features {4 * FEATURES}")
    for times in (1, 1000):
        frames = options.frames * times
        print(f"\n{frames:,.0f} frames, {options.videos * times:,} videos: processor hours")
        for name, seconds in {
            "preparation, boxes given": prepare * frames,
            "preparation with MTCNN": (prepare + costs["MTCNN"]) * frames,
            "features, once for a CNN": features * frames,
            "CNN, 20 x 1,000 x 64 frames": train * CNN_FRAMES,
            "CNN, one epoch": train * frames,
            "a row, 60 x 250 x 800 frames": update * ROW_FRAMES,
            "a row, one epoch": update * frames,
            "prediction, boxes given": (prepare + features + answer) * frames,
        }.items():
            print(f"  {name:29s} {seconds / 3600:12,.1f}")
        for name, size in {
            "videos": VIDEO_BYTES,
            "prepared": record,
            "features": 4 * FEATURES,
        }.items():
            print(f"  {name + ', GB':29s} {size * frames / 1e9:12,.0f}")


if __name__ == "__main__":
    main()
