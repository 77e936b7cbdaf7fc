"""Speed of the second study's training step (ResNet-18, 112x112, batch 64) against eager PyTorch.

Pixels in, three losses, backward pass and Adam, in each library's precisions. What decoding and
the whole augmentation of the sound recipe (Table A4, row 8) cost a batch stands beside that.
PyTorch is optional:

    pip install torch        # once, into the same environment
    python scripts/benchmark_resnet.py [--rounds 3] [--steps 2]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from step_timing import POLICIES, Comparison

BATCH, SIZE = 64, 112


def _random_batch() -> dict[str, Any]:
    import numpy as np

    generator = np.random.default_rng(0)
    return {
        "images": generator.integers(0, 256, (BATCH, SIZE, SIZE, 3)).astype(np.uint8),
        "valence_arousal": generator.uniform(-1, 1, (BATCH, 2)).astype(np.float32),
        "expression": generator.integers(0, 8, BATCH).astype(np.int32),
        "action_units": generator.integers(0, 2, (BATCH, 12)).astype(np.float32),
    }


def keras_step(precision: str) -> Callable[[], float]:
    """Our `FramewiseTrainer.train_step`, compiled."""
    import tensorflow as tf

    from kaffect.config.framewise import FramewiseLoss, FramewiseTraining
    from kaffect.models import affect_resnet18, layers_compute_in
    from kaffect.training.framewise import FramewiseTrainer
    from kaffect.training.schedules import make_optimizer

    policy = POLICIES[precision]
    with layers_compute_in(policy):
        network = affect_resnet18(SIZE, seed=0)
    trainer = FramewiseTrainer(network, FramewiseLoss(), {})
    optimizer = make_optimizer(FramewiseTraining(), 1000, policy, trainer.trained_variables)
    trainer.compile(optimizer=optimizer, jit_compile=False)
    data = {key: tf.constant(value) for key, value in _random_batch().items()}
    step = tf.function(trainer.train_step)

    def run() -> float:
        return float(step(data)["loss"])

    return run


def torch_step(precision: str) -> Callable[[], float]:
    """The same in eager PyTorch, channels last."""
    from scripts.reference_resnet_torch import TorchTrainer

    return TorchTrainer(_random_batch(), bfloat16=precision == "bfloat16").step


def sound_augmentation() -> Any:
    """Of the sound recipe: flip, rotation, zoom, shift, brightness and contrast."""
    from kaffect.config import FramewiseConfig
    from kaffect.data.batches.warp import Warp
    from kaffect.studies.framewise.recipes import SOUND

    return Warp.of(FramewiseConfig().changed(SOUND).data)


def pipeline_step() -> Callable[[], float]:
    """One batch of 112x112 JPEG pictures read, decoded and augmented by `tf.data`."""
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

    def run() -> float:
        return float(next(batches)["images"][0, 0, 0, 0])

    return run


if __name__ == "__main__":
    sys.exit(
        Comparison(
            script=__file__,
            title=f"one update of the second study's ResNet-18 ({SIZE}x{SIZE})",
            batch=BATCH,
            keras_step=keras_step,
            torch_step=torch_step,
            parts={"decoding and augmentation": pipeline_step},
        ).run()
    )
