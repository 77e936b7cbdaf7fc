"""Speed of configuration 2 (Tables VII, VIII) against the same networks in eager PyTorch.

One discriminator update plus one generator update, batch 64, 96x96, everything in
them: both passes, losses, clipping, Adam. Variants take turns, each in a process of
its own, and the medians are compared. PyTorch is optional:

    pip install torch        # once, into the same environment
    python scripts/benchmark_gan.py [--rounds 3] [--steps 2]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

BATCH = 64
OURS = ("keras-float32", "keras-bfloat16")
THEIRS = ("torch-float32", "torch-bfloat16")
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def _random_batch() -> dict[str, Any]:
    import numpy as np

    generator = np.random.default_rng(0)
    return {
        "images": generator.integers(0, 256, (BATCH, 96, 96, 3)).astype(np.uint8),
        "valence_arousal": generator.uniform(-1, 1, (BATCH, 2)).astype(np.float32),
        "valence_arousal_mask": np.ones(BATCH, bool),
        "action_units": generator.integers(0, 2, (BATCH, 8)).astype(np.float32),
        "action_units_mask": np.ones(BATCH, bool),
    }


def keras_step(precision: str) -> Callable[[], float]:
    """Our `GanTrainer.train_step` with the schedule "DG", compiled."""
    import numpy as np
    import tensorflow as tf

    from kaffect.training.gan import GanTrainer
    from kaffect.training.gan_config import GanConfig

    config = GanConfig(configuration=2, schedule="DG", batch=BATCH)
    trainer = GanTrainer(config, _POLICIES[precision])
    data = {key: tf.constant(np.stack([v, v])) for key, v in _random_batch().items()}
    step = tf.function(trainer.train_step)

    def run() -> float:
        return float(step(data)["generator_loss"][0])

    return run


def torch_step(precision: str) -> Callable[[], float]:
    """The same in eager PyTorch, channels last: gradients only where they are needed."""
    from scripts.reference_gan_torch import TorchGan

    gan = TorchGan(_random_batch(), bfloat16=precision == "bfloat16")
    return gan.step


def work(variant: str, warmup: int, steps: int) -> None:
    """Time `steps` steps of one variant and print them as JSON."""
    library, precision = variant.split("-")
    run = (keras_step if library == "keras" else torch_step)(precision)
    for _ in range(warmup):
        run()
    times = []
    for _ in range(steps):
        started, busy = time.perf_counter(), time.process_time()
        run()
        times.append((time.perf_counter() - started, time.process_time() - busy))
    print(json.dumps({"variant": variant, "seconds": times}))


def measure(variant: str, warmup: int, steps: int) -> list[tuple[float, float]]:
    """Seconds and processor seconds of each step, in a fresh process; empty where that fails."""
    command = [sys.executable, __file__, "--worker", variant]
    command += ["--warmup", str(warmup), "--steps", str(steps)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
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
    parser.add_argument("--variants", nargs="+", default=[*OURS, *THEIRS], help="which to time")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.warmup, options.steps)
        return 0
    times: dict[str, list[tuple[float, float]]] = {variant: [] for variant in options.variants}
    for _ in range(options.rounds):
        for variant in options.variants:
            times[variant] += measure(variant, options.warmup, options.steps)
            shown = ", ".join(f"{wall:.2f}" for wall, _ in times[variant][-options.steps :])
            print(f"{variant}: {shown} s", flush=True)
    return report(times)


def report(times: dict[str, list[tuple[float, float]]]) -> int:
    """Medians and ratios. Processor time hardly depends on what else the machine does."""
    print(f"\none D and one G update, batch {BATCH}, 96x96, {os.cpu_count()} processors")
    for column, what in enumerate(("seconds", "processor seconds")):
        medians = {
            name: statistics.median(step[column] for step in steps)
            for name, steps in times.items()
            if steps
        }
        for name, median in medians.items():
            print(f"  {name:15s} median {median:6.2f} {what} (n={len(times[name])})")
        ours = [medians[name] for name in OURS if name in medians]
        theirs = [medians[name] for name in THEIRS if name in medians]
        if not ours or not theirs:
            print("no ratio: PyTorch is not installed (pip install torch)")
            return 1
        print(f"ratio of the best PyTorch to our best, {what}: {min(theirs) / min(ours):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
