#!/usr/bin/env python
"""How fast annotation text is read and checked (Section III-C): `scripts/benchmark_check.py`.

Generates a tree as large as Aff-Wild2 (594 tracks, 2.8 million frames, each with
valence/arousal, an expression and 12 Action Units), reads every file, and runs
`kaffect data check` on it in a process of its own. Prints lines a second, seconds
and peak memory. The videos are stand-ins: no frame is decoded.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kaffect.data.annotations.files import read_annotations  # noqa: E402
from kaffect.labels import ACTION_UNITS_12, EXPRESSIONS_8, VALENCE_AROUSAL  # noqa: E402

SPLITS = ("Training_Set", "Training_Set", "Training_Set", "Validation_Set", "Test_Set")


def write_track(root: Path, number: int, frames: int) -> None:
    """The three files, the video and the subject of one track."""
    rng = np.random.default_rng(number)
    split, name = SPLITS[number % len(SPLITS)], f"{number:03d}"
    walk = np.clip(np.cumsum(rng.normal(0, 0.02, (frames, 2)), axis=0), -1, 1)
    walk[rng.random(frames) < 0.02] = -5
    classes = rng.integers(-1, len(EXPRESSIONS_8), frames)
    units = rng.integers(0, 2, (frames, len(ACTION_UNITS_12)))
    units[rng.random(frames) < 0.02] = -1
    texts = {
        "VA": (VALENCE_AROUSAL, (f"{v:.3f},{a:.3f}" for v, a in walk.tolist())),
        "EXPR": (EXPRESSIONS_8, map(str, classes.tolist())),
        "AU": (ACTION_UNITS_12, (",".join(map(str, row)) for row in units.tolist())),
    }
    for task, (header, rows) in texts.items():
        path = root / "annotations" / f"{task}_Set" / split / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([",".join(header), *rows]) + "\n")
    (root / "videos").mkdir(exist_ok=True)
    (root / "videos" / f"{name}.mp4").write_bytes(name.encode() * (1 + number))


def reading(root: Path) -> None:
    """Lines a second of `read_annotations`, for each task."""
    for task in ("VA", "EXPR", "AU"):
        files = sorted((root / "annotations" / f"{task}_Set").rglob("*.txt"))
        start = time.perf_counter()
        lines = sum(len(read_annotations(path)) for path in files)
        seconds = time.perf_counter() - start
        print(f"read {task:<4} {lines:>9,} lines in {seconds:5.2f} s: {lines / seconds:>12,.0f} /s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracks", type=int, default=594)
    parser.add_argument("--frames", type=int, default=4714, help="of each track")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tree"
        rows = ["video,subject"]
        for number in range(options.tracks):
            write_track(root, number, options.frames)
            rows.append(f"{number:03d},person_{number:03d}")
        (root / "subjects.csv").write_text("\n".join(rows) + "\n")
        print(f"{options.tracks} tracks, {options.tracks * options.frames:,} annotated frames")
        reading(root)
        command = [sys.executable, "-m", "kaffect.cli", "data", "check", str(root)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(done.stdout.strip().splitlines()[-1], f"(exit code {done.returncode})")
        print(f"data check: {seconds:.1f} s, at most {peak:.0f} MiB; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
