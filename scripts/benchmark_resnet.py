"""Speed of the second study's training step (ResNet-18, 112x112, batch 64) against eager PyTorch.

Pixels in, three losses, backward pass and Adam, in each library's precisions. Variants take
turns, each in a process of its own, and medians are compared. A last worker measures what
decoding and augmentation of a batch cost beside that. PyTorch is optional:

    pip install torch        # once, into the same environment
    python scripts/benchmark_resnet.py [--rounds 3] [--steps 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

BATCH, SIZE = 64, 112
OURS = ("keras-float32", "keras-bfloat16")
THEIRS = ("torch-float32", "torch-bfloat16")
PIPELINE = "pipeline"
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


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
    """Our `FrameTrainer.train_step`, compiled."""
    import keras
    import tensorflow as tf

    from kaffect.models import affect_resnet18
    from kaffect.training.frames import FrameTrainer
    from kaffect.training.frames_config import FrameLosses, FrameTraining
    from kaffect.training.schedules import make_optimizer

    policy = _POLICIES[precision]
    keras.config.set_dtype_policy(policy)
    trainer = FrameTrainer(affect_resnet18(SIZE, seed=0), FrameLosses(), {})
    optimizer = make_optimizer(FrameTraining(), 1000, policy, trainer.trained_variables)
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


def pipeline_step() -> Callable[[], float]:
    """One batch of 112x112 JPEG pictures read, decoded, mirrored and rotated by `tf.data`."""
    import cv2
    import numpy as np

    from kaffect.data.pipeline import training_frames
    from kaffect.data.prepare_stills import prepare_stills
    from kaffect.data.records import PreparedData
    from kaffect.data.warp import Warp

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
    batches = iter(training_frames(index, batch=BATCH, augment=Warp(rotation=10.0)))

    def run() -> float:
        return float(next(batches)["images"][0, 0, 0, 0])

    return run


def work(variant: str, warmup: int, steps: int) -> None:
    """Time `steps` steps of one variant and print them as JSON."""
    if variant == PIPELINE:
        run, warmup, steps = pipeline_step(), 40, 40  # beyond what was fetched ahead
    else:
        library, precision = variant.split("-")
        run = (keras_step if library == "keras" else torch_step)(precision)
    for _ in range(warmup):
        run()
    times = []
    for _ in range(steps):
        started, busy = time.perf_counter(), time.process_time()
        run()
        times.append((time.perf_counter() - started, time.process_time() - busy))
    if variant == PIPELINE:
        # Batches come from a pool in bursts: only the mean over many says what one costs.
        times = [(sum(t[0] for t in times) / steps, sum(t[1] for t in times) / steps)]
    print(json.dumps({"variant": variant, "seconds": times}))


def measure(variant: str, warmup: int, steps: int) -> list[tuple[float, float]]:
    """Seconds and processor seconds of each step, in a fresh process; empty where that fails."""
    command = [sys.executable, __file__, "--worker", variant]
    command += ["--warmup", str(warmup), "--steps", str(steps)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{variant}: left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return []
    seconds = json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
    return [(wall, busy) for wall, busy in seconds]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns that each variant gets")
    parser.add_argument("--steps", type=int, default=2, help="timed steps in each turn")
    parser.add_argument("--warmup", type=int, default=1, help="untimed steps in each turn")
    everything = [*OURS, *THEIRS, PIPELINE]
    parser.add_argument("--variants", nargs="+", default=everything, help="which to time")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.warmup, options.steps)
        return 0
    times: dict[str, list[tuple[float, float]]] = {variant: [] for variant in options.variants}
    for _ in range(options.rounds):
        for variant in options.variants:
            times[variant] += measure(variant, options.warmup, options.steps)
            last = times[variant][-options.steps :]
            shown = ", ".join(f"{wall:.2f} s (processor {busy:.2f} s)" for wall, busy in last)
            print(f"{variant}: {shown}", flush=True)
    return report(times)


def report(times: dict[str, list[tuple[float, float]]]) -> int:
    """Medians and ratios. Processor time hardly depends on what else the machine does."""
    print(f"\none update, batch {BATCH}, {SIZE}x{SIZE}, {os.cpu_count()} processors")
    complete = False
    for column, what in enumerate(("seconds", "processor seconds")):
        medians = {
            name: statistics.median(step[column] for step in steps)
            for name, steps in times.items()
            if steps
        }
        for name, median in medians.items():
            rate = f"{BATCH / median:6.1f} images/s" if not column else ""
            print(f"  {name:15s} median {median:7.3f} {what} (n={len(times[name])}) {rate}")
        ours = [medians[name] for name in OURS if name in medians]
        theirs = [medians[name] for name in THEIRS if name in medians]
        if ours and PIPELINE in medians:
            share = medians[PIPELINE] / min(ours)
            print(f"decoding and augmentation against our best step, {what}: {share:.1%}")
        if ours and theirs:
            print(f"ratio of the best PyTorch to our best, {what}: {min(theirs) / min(ours):.2f}")
            complete = True
    if not complete:
        print("no ratio: PyTorch is not installed (pip install torch)")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
