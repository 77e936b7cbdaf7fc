"""Times one training step of ours against PyTorch's: variants take turns, medians are compared.

Each turn runs in a process of its own, so that no library warms up another's caches.
Serves `benchmark_gan.py` and `benchmark_resnet.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
OURS = ("keras-float32", "keras-bfloat16")
THEIRS = ("torch-float32", "torch-bfloat16")
Step = Callable[[], float]
Times = list[tuple[float, float]]  # seconds and processor seconds of each step


@dataclass(frozen=True)
class Comparison:
    """What is timed.

    Attributes:
        script: the file that is run again for each turn.
        title: what one step is.
        batch: images in it.
        keras_step, torch_step: precision -> the step of that library.
        parts: name -> one step of a part of the work, such as reading a batch. It takes 40
            steps beyond 40 untimed ones, and counts with their mean: batches come from a
            pool in bursts, and only the mean over many says what one costs.
    """

    script: str
    title: str
    batch: int
    keras_step: Callable[[str], Step]
    torch_step: Callable[[str], Step]
    parts: Mapping[str, Callable[[], Step]] = field(default_factory=dict)

    @property
    def variants(self) -> list[str]:
        return [*OURS, *THEIRS, *self.parts]

    def run(self) -> int:
        """The command line: 0, or 1 where PyTorch is missing."""
        parser = argparse.ArgumentParser(description=self.title)
        parser.add_argument("--rounds", type=int, default=3, help="turns that each variant gets")
        parser.add_argument("--steps", type=int, default=2, help="timed steps in each turn")
        parser.add_argument("--warmup", type=int, default=1, help="untimed steps in each turn")
        parser.add_argument(
            "--variants", nargs="+", default=self.variants, choices=self.variants, help="to time"
        )
        parser.add_argument("--worker", help=argparse.SUPPRESS)
        options = parser.parse_args()
        if options.worker:
            times = self._work(options.worker, options.warmup, options.steps)
            print(json.dumps({"variant": options.worker, "seconds": times}))
            return 0
        times: dict[str, Times] = {variant: [] for variant in options.variants}
        for _ in range(options.rounds):
            for variant in options.variants:
                found = self._measure(variant, options.warmup, options.steps)
                times[variant] += found
                shown = ", ".join(f"{wall:.2f} s (processor {busy:.2f} s)" for wall, busy in found)
                print(f"{variant}: {shown}", flush=True)
        return self._report(times)

    def _work(self, variant: str, warmup: int, steps: int) -> Times:
        if variant in self.parts:
            times = timed(self.parts[variant](), 40, 40)
            return [(statistics.fmean(t[0] for t in times), statistics.fmean(t[1] for t in times))]
        library, precision = variant.split("-")
        step = self.keras_step if library == "keras" else self.torch_step
        return timed(step(precision), warmup, steps)

    def _measure(self, variant: str, warmup: int, steps: int) -> Times:
        """One turn in a fresh process; empty where that fails."""
        command = [sys.executable, self.script, "--worker", variant]
        command += ["--warmup", str(warmup), "--steps", str(steps)]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{variant}: left out: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return []
        seconds = json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
        return [(wall, busy) for wall, busy in seconds]

    def _report(self, times: Mapping[str, Times]) -> int:
        """Medians and ratios. Processor time hardly depends on what else the machine does."""
        print(f"\n{self.title}, batch {self.batch}, {os.cpu_count()} processors")
        compared = False
        for column, what in enumerate(("seconds", "processor seconds")):
            medians = {
                name: statistics.median(step[column] for step in steps)
                for name, steps in times.items()
                if steps
            }
            for name, median in medians.items():
                rate = f"{self.batch / median:7.1f} images/s" if not column else ""
                print(f"  {name:15s} median {median:7.3f} {what} (n={len(times[name])}) {rate}")
            ours, theirs = (
                [medians[name] for name in names if name in medians] for names in (OURS, THEIRS)
            )
            for part in self.parts:
                if ours and part in medians:
                    print(f"{part} against our best step, {what}: {medians[part] / min(ours):.1%}")
            if ours and theirs:
                ratio = min(theirs) / min(ours)
                print(f"ratio of the best PyTorch to our best, {what}: {ratio:.2f}")
                compared = True
        if not compared:
            print("no ratio: PyTorch is not installed (pip install torch)")
        return 0 if compared else 1


def timed(step: Step, warmup: int, steps: int) -> Times:
    """Seconds and processor seconds of `steps` steps after `warmup` others."""
    for _ in range(warmup):
        step()
    times = []
    for _ in range(steps):
        started, busy = time.perf_counter(), time.process_time()
        step()
        times.append((time.perf_counter() - started, time.process_time() - busy))
    return times
