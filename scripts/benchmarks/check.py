"""How fast annotation text is read and checked (Section III-C), on a tenth of Aff-Wild2's size.

59 tracks of 4,714 frames, each with valence/arousal, an expression and 12 Action Units. The videos
are stand-ins: no frame is decoded.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.benchmarks.frame import Benchmark, Variant
from scripts.benchmarks.frame.measure import Step

TRACKS, FRAMES = 59, 4714
SPLITS = ("Training_Set", "Training_Set", "Training_Set", "Validation_Set", "Test_Set")


def write_track(root: Path, number: int) -> None:
    """The three files and the video of one track."""
    import numpy as np

    from kaffect.labels import ACTION_UNITS_12, EXPRESSIONS_8, VALENCE_AROUSAL

    rng = np.random.default_rng(number)
    split, name = SPLITS[number % len(SPLITS)], f"{number:03d}"
    walk = np.clip(np.cumsum(rng.normal(0, 0.02, (FRAMES, 2)), axis=0), -1, 1)
    walk[rng.random(FRAMES) < 0.02] = -5
    classes = rng.integers(-1, len(EXPRESSIONS_8), FRAMES)
    units = rng.integers(0, 2, (FRAMES, len(ACTION_UNITS_12)))
    units[rng.random(FRAMES) < 0.02] = -1
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


def written_tree() -> Path:
    """A tree of annotations in a folder that goes with the process's temporary files."""
    root = Path(tempfile.mkdtemp(prefix="benchmark-check-")) / "tree"
    for number in range(TRACKS):
        write_track(root, number)
    rows = ["video,subject", *(f"{number:03d},person_{number:03d}" for number in range(TRACKS))]
    (root / "subjects.csv").write_text("\n".join(rows) + "\n")
    return root


def reading() -> Step:
    """Every file by `read_annotations`."""
    from kaffect.data.annotations.files import read_annotations

    files = sorted((written_tree() / "annotations").rglob("*.txt"))
    return lambda: sum(len(read_annotations(path)) for path in files)


def checking() -> Step:
    """`kaffect data check` in a process of its own."""
    command = [sys.executable, "-m", "kaffect.cli", "data", "check", str(written_tree())]
    return lambda: subprocess.run(command, capture_output=True, check=False)


BENCHMARK = Benchmark(
    title=f"annotations of {TRACKS} tracks, {TRACKS * FRAMES:,} frames with three labels each",
    variants={"read_annotations": Variant(reading), "kaffect data check": Variant(checking)},
    amount=3 * TRACKS * FRAMES,
    unit="lines",
    steps=1,
    warmup=1,
)
