"""The second study's training step: ResNet-18, 112x112, batch 64, three losses and Adam.

What reading, decoding and the whole augmentation of the sound recipe (Table A4, row 8) cost a
batch stands beside that.
"""

from __future__ import annotations

import time
from typing import Any

from scripts.benchmarks.frame import Benchmark, Variant, ratio
from scripts.benchmarks.frame.measure import Step
from scripts.benchmarks.frame.training import OURS, against_pytorch, training_variants

BATCH, SIZE = 64, 112
READING = "reading and augmentation"


def random_batch() -> dict[str, Any]:
    """Pixels and labels of `BATCH` faces."""
    import numpy as np

    generator = np.random.default_rng(0)
    return {
        "images": generator.integers(0, 256, (BATCH, SIZE, SIZE, 3)).astype(np.uint8),
        "valence_arousal": generator.uniform(-1, 1, (BATCH, 2)).astype(np.float32),
        "expression": generator.integers(0, 8, BATCH).astype(np.int32),
        "action_units": generator.integers(0, 2, (BATCH, 12)).astype(np.float32),
    }


def keras_step(policy: str) -> Step:
    """Our `FramewiseTrainer.train_step`, compiled."""
    import tensorflow as tf

    from kaffect.config.framewise import FramewiseLoss, FramewiseTraining
    from kaffect.models import affect_resnet18, layers_compute_in
    from kaffect.training.framewise import FramewiseTrainer
    from kaffect.training.schedules import make_optimizer

    with layers_compute_in(policy):
        network = affect_resnet18(SIZE, seed=0)
    trainer = FramewiseTrainer(network, FramewiseLoss(), {})
    optimizer = make_optimizer(FramewiseTraining(), 1000, policy, trainer.trained_variables)
    trainer.compile(optimizer=optimizer, jit_compile=False)
    data = {key: tf.constant(value) for key, value in random_batch().items()}
    step = tf.function(trainer.train_step)
    return lambda: float(step(data)["loss"])


def torch_step(precision: str, compiled: bool) -> Step:
    """The same in PyTorch, channels last."""
    from scripts.reference_resnet_torch import TorchTrainer

    return TorchTrainer(random_batch(), bfloat16=precision == "bfloat16", compiled=compiled).step


def sound_augmentation() -> Any:
    """Of the sound recipe: flip, rotation, zoom, shift, brightness and contrast."""
    from kaffect.config import FramewiseConfig
    from kaffect.data.batches.warp import Warp
    from kaffect.studies.framewise.recipes import SOUND

    return Warp.of(FramewiseConfig().changed(SOUND).data)


def reading_step() -> Step:
    """A batch of 112x112 JPEG pictures read, decoded and augmented by `tf.data`, mean of 40.

    Batches come from a pool in bursts: only the mean over many says what one costs.
    """
    import tempfile
    from pathlib import Path

    import cv2
    import numpy as np

    from kaffect.data.batches.pipeline import training_frames
    from kaffect.data.prepared.prepare_stills import prepare_stills
    from kaffect.data.prepared.records import PreparedData

    folder = Path(tempfile.mkdtemp(prefix="benchmark-resnet-"))
    generator = np.random.default_rng(0)
    lines = ["path,expression,split"]
    for number in range(512):
        coarse = generator.integers(0, 256, (14, 14, 3)).astype(np.uint8)
        picture = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        lines.append(f"{number}.png,{number % 7},{'train' if number else 'validation'}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    out = prepare_stills(folder / "list.csv", folder / "out", image_size=SIZE, progress=False)
    index = PreparedData.open(out).split("train")
    batches = iter(training_frames(index, batch=BATCH, augment=sound_augmentation()))

    def run() -> tuple[float, float]:
        started, busy = time.perf_counter(), time.process_time()
        for _ in range(40):
            float(next(batches)["images"][0, 0, 0, 0])
        return (time.perf_counter() - started) / 40, (time.process_time() - busy) / 40

    return run


BENCHMARK = Benchmark(
    title="one update of the second study's ResNet-18, 112x112, batch 64",
    variants={
        **training_variants(keras_step, torch_step),
        READING: Variant(reading_step, own_time=True, steps=1, warmup=1),
    },
    figures=[
        *against_pytorch(1.2),
        ratio("reading and augmenting a batch / our best step", [READING], OURS),
    ],
    amount=BATCH,
    unit="images",
)
