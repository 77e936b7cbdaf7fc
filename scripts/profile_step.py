"""Where the time of a training step goes: `python scripts/profile_step.py gan`.

One step of a benchmark's variant "keras PRECISION" under TensorFlow's profiler, one operation at a
time: seconds of each kind of operation, and with `--each` of each single one. Other work on the
machine is counted with them, so shares say more than seconds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("benchmark", help="one with the variants keras float32 and keras bfloat16")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--steps", type=int, default=2, help="profiled, after two others")
    parser.add_argument("--each", type=int, default=0, metavar="N", help="and the N largest ones")
    options = parser.parse_args()
    import tensorflow as tf

    from scripts.benchmark import find

    tf.config.threading.set_inter_op_parallelism_threads(1)
    step = find(options.benchmark).variants[f"keras {options.precision}"].make()
    for _ in range(2):
        step()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(options.steps):
                step()
        (path,) = Path(folder).rglob("*.xplane.pb")
        events = list(operations(path))
    show(events, options.steps, options.each)


def operations(path: Path) -> Iterator[tuple[str, str, float]]:
    """Name, kind and seconds of each operation that a profile holds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    for plane in space.planes:
        if plane.name != "/host:CPU":
            continue
        for line in plane.lines:
            for event in line.events:
                name, colon, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
                if colon and kind.isidentifier() and "/" in name:
                    yield name, kind, event.duration_ps * 1e-12


def show(events: list[tuple[str, str, float]], steps: int, each: int) -> None:
    """Prints the tables."""
    counts = Counter(kind for _, kind, _ in events)
    by_kind, by_name = Counter[str](), Counter[str]()
    for name, kind, seconds in events:
        by_kind[kind] += seconds / steps
        by_name[f"{kind} {name}"] += seconds / steps
    total = sum(by_kind.values())
    print(f"{total:.3f} s a step in operations\n")
    print("| operation | times | ms | share |\n|---|---|---|---|")
    for kind, seconds in by_kind.most_common(18):
        print(f"| {kind} | {counts[kind] // steps} | {1e3 * seconds:.1f} | {seconds / total:.1%} |")
    for name, seconds in by_name.most_common(each):
        print(f"{1e3 * seconds:9.1f} ms  {name}")


if __name__ == "__main__":
    main()
