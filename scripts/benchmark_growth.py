"""How time and memory grow with what is asked for: frames, sequences, videos, streams.

    python scripts/benchmark_growth.py            # prints a table; minutes on a quiet machine
    python scripts/benchmark_growth.py --keep     # docs/images/growth.png and docs/growth.md too

Processor seconds hardly depend on what else the machine does. Memory is the peak of what the
process holds beyond files that are mapped, above what it held before. Pixels of data sets that
cannot be had are simulated: the feature cache is filled for as many frames as Aff-Wild2 has, with
short features. A slope of 1 in processor time is in proportion; memory should not grow (slope 0)
where results go to disk or are handed on frame by frame.

What was freed earlier is used again and not counted: where the work is done once before (the
recurrence is, to be traced), memory is a lower bound. The cache's 8 bytes a frame are a copy of the
row numbers, of which its name is a hash.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

from kaffect.files import write_text  # noqa: E402
from scripts.benchmarks.frame import machine  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PICTURE, PAGE = ROOT / "docs" / "images" / "growth.png", ROOT / "docs" / "growth.md"
Work = Callable[[], object]


@dataclass(frozen=True)
class Series:
    """Something that is asked for in several amounts.

    Attributes:
        name, of: what is done, and what there is more and more of.
        sizes: how many.
        make: prepares the work for a size, which is then measured.
        constant: memory that should not grow with the size.
    """

    name: str
    of: str
    sizes: tuple[int, ...]
    make: Callable[[int, Path], Work]
    constant: bool


@dataclass(frozen=True)
class Point:
    """Processor seconds, and MiB at the peak above what was held before."""

    size: int
    seconds: float
    mib: float


def anonymous_mib() -> float:
    """Memory of this process that is no mapped file."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return float("nan")


@contextlib.contextmanager
def watched() -> Iterator[list[float]]:
    """Collects the memory every 10 ms."""
    found, ended = [anonymous_mib()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            found.append(anonymous_mib())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def measured(series: Series, size: int, folder: Path) -> Point:
    """One point; the smallest is done before, so that what is loaded once does not count."""
    series.make(series.sizes[0], folder)()
    work = series.make(size, folder)
    with watched() as memory:
        began = time.process_time()
        work()
        seconds = time.process_time() - began
    return Point(size, seconds, max(memory) - memory[0])


def recurrence(training: bool, batch: int | None = None) -> Callable[[int, Path], Work]:
    """The attention GRU of Section IV-B over 256 features, in use or with its gradients."""

    def make(size: int, folder: Path) -> Work:
        import tensorflow as tf

        from kaffect.layers import AttentionGRU
        from kaffect.models.recurrence_inference import FoldedRecurrence

        shape = (size, 80, 256) if batch is None else (batch, size, 256)
        inputs = tf.random.stateless_normal(shape, seed=(1, 2))
        layer = AttentionGRU((128, 128), seed=1)
        layer.build((None, None, 256))
        folded = FoldedRecurrence(layer)
        zero = {name: tf.zeros([shape[0], *s]) for name, s in folded.state_shapes.items()}

        @tf.function
        def use() -> Any:
            return folded.run(inputs, zero)[0]

        @tf.function
        def update() -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(inputs, training=True) ** 2)
            return tape.gradient(loss, [v.value for v in layer.trainable_variables])

        chosen = update if training else use
        chosen()
        return lambda: chosen()

    return make


def prediction(size: int, folder: Path) -> Work:
    """Detect (haar), follow, crop and read a face that moves, with the own network."""
    import cv2

    from kaffect.faces import create_detector
    from kaffect.serving.own_model import OWN_MODEL
    from kaffect.serving.predict.people import PeopleReader, cropped_frames
    from kaffect.serving.predict.sources import SourceFrame
    from kaffect.serving.predictor import Predictor
    from kaffect.synthetic.random_faces import random_face

    face = cv2.resize(random_face(5, 1, 96).image, (160, 160))

    def frames() -> Iterator[SourceFrame]:
        for k in range(size):
            image = np.full((240, 320, 3), 100, np.uint8)
            left = 80 + round(40 * np.sin(k / 15))
            image[40:200, left : left + 160] = face
            yield SourceFrame(k, k / 30, image, True, ((k + 1, k / 30),))

    predictor = Predictor.from_saved_model(OWN_MODEL)

    def work() -> None:
        cropped = cropped_frames(frames(), create_detector("haar"), predictor.facts.crop_rule)
        for _ in PeopleReader(predictor).read(cropped):
            pass

    return work


def tree_of(size: int, folder: Path, frames: int = 30) -> Path:
    """A data tree with so many small videos, the same again and again."""
    import cv2

    from kaffect.data.video.mp4 import Mp4Writer

    root = folder / f"tree-{size}"
    labels = root / "annotations" / "VA_Set" / "Training_Set"
    if root.exists():
        return root
    labels.mkdir(parents=True)
    (root / "videos").mkdir()
    first = root / "videos" / "v0.mp4"
    with Mp4Writer(first, 30) as writer:
        for k in range(frames):
            image = np.full((120, 160, 3), 90, np.uint8)
            cv2.circle(image, (40 + 2 * k, 60), 20, (200, 150, 120), -1)
            writer.add(image)
    for k in range(size):
        if k:
            (root / "videos" / f"v{k}.mp4").symlink_to(first)
        text = "valence,arousal\n" + f"0.1,0.{k % 10}\n" * frames
        write_text(labels / f"v{k}.txt", text)
    return root


def preparation(size: int, folder: Path) -> Work:
    """`kaffect data prepare` of videos of 30 frames, without a detector."""
    from kaffect.data.prepared.prepare import prepare_tree

    root = tree_of(size, folder)

    def work() -> None:
        with tempfile.TemporaryDirectory() as out:
            prepare_tree(root, Path(out) / "out", detector=None, progress=False)

    return work


def statistics(size: int, folder: Path) -> Work:
    """`kaffect data statistics` of videos with 30 labels each."""
    from kaffect.curation.statistics import describe
    from kaffect.data.tree import DataTree

    root = tree_of(size, folder)
    return lambda: describe(DataTree.open(root))


def feature_cache(size: int, folder: Path) -> Work:
    """Features of so many frames into the cache, 16 values each; pictures are simulated."""
    import tensorflow as tf

    from kaffect.data.batches import features

    index: Any = types.SimpleNamespace(
        data=types.SimpleNamespace(hash=str(size)), rows=np.arange(size), track=np.zeros(size, "i4")
    )
    index.name = "train"
    values = np.ones((64, 16), np.float32)

    def batches(*_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        for first in range(0, size, 64):
            rows = tf.range(first, min(first + 64, size), dtype=tf.int64)
            yield {"row": rows, "images": None}

    def work() -> None:
        with tempfile.TemporaryDirectory() as root:
            with mock.patch.object(features, "evaluation_frames", batches):
                store = features.FeatureStore(root)
                store.get_or_compute(index, lambda _: values, "key", progress=False)

    return work


def streams(size: int, folder: Path) -> Work:
    """Ten frames of each of so many streams beside each other, narrow VGG-Face-GRU-attention."""
    from kaffect.models import vggface_gru_attention
    from kaffect.serving import Predictor, export_model
    from kaffect.serving.facts import Facts

    out = folder / "narrow" / "1"
    if not out.exists():
        network = vggface_gru_attention(None, preprocessing="paper", seed=1, width=1 / 16)
        export_model(network, out, Facts("untrained"))
    predictor = Predictor.from_saved_model(out)
    frame = np.zeros(predictor.picture_shape, np.uint8)

    def work() -> None:
        opened = [predictor.stream() for _ in range(size)]
        for _ in range(10):
            for stream in opened:
                stream.step(frame)

    return work


SERIES = (
    Series("recurrence in use", "frames", (80, 800, 8000), recurrence(False, 1), False),
    Series("recurrence, gradients", "frames", (80, 800, 8000), recurrence(True, 1), False),
    Series("recurrence in use", "sequences of 80", (1, 8, 64), recurrence(False), False),
    Series("prediction, haar, own network", "frames", (80, 320, 1280), prediction, True),
    Series("preparation", "videos of 30 frames", (4, 16, 64), preparation, True),
    Series("statistics", "videos", (20, 80, 320), statistics, True),
    Series("feature cache", "frames", (28_000, 280_000, 2_800_000), feature_cache, False),
    Series("streams", "streams, 10 frames each", (1, 8, 64), streams, True),
)


def slope(points: Sequence[Point], of: str) -> float:
    """Of the line through the logarithms: 1 in proportion, 0 constant."""
    sizes = np.log([p.size for p in points])
    values = np.log([max(getattr(p, of), 1e-3) for p in points])
    return float(np.polyfit(sizes, values, 1)[0])


def kib_each(points: Sequence[Point]) -> float:
    """KiB of memory that one more costs."""
    first, last = points[0], points[-1]
    return 1024 * (last.mib - first.mib) / (last.size - first.size)


def table(found: Sequence[tuple[Series, list[Point]]]) -> str:
    """Markdown."""
    rows = [
        "| what | of | sizes | processor seconds | slope | memory, MiB | KiB for one more |",
        "|---|---|---|---|---|---|---|",
    ]
    for series, points in found:
        sizes = ", ".join(f"{p.size:,}" for p in points)
        seconds = ", ".join(f"{p.seconds:.3g}" for p in points)
        memory = ", ".join(f"{p.mib:.0f}" for p in points)
        rows.append(
            f"| {series.name} | {series.of} | {sizes} | {seconds} | "
            f"{slope(points, 'seconds'):.2f} | {memory} | {kib_each(points):.2g} |"
        )
    return "\n".join(rows) + "\n"


def draw(found: Sequence[tuple[Series, list[Point]]], path: Path) -> None:
    """Processor time and memory over the size, both in logarithms."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 5.5), layout="constrained")
    for number, (series, points) in enumerate(found):
        sizes, style = [p.size for p in points], "o-" if series.constant else "s--"
        name = f"{series.name} ({series.of}): slope {slope(points, 'seconds'):.2f}"
        colour = f"C{number}"
        left.loglog(sizes, [p.seconds for p in points], style, color=colour, label=name)
        name = f"{series.name}: {kib_each(points):.2g} KiB for one more"
        memory = [max(p.mib, 0.1) for p in points]
        right.loglog(sizes, memory, style, color=colour, label=name)
    left.set(xlabel="how many", ylabel="processor seconds")
    right.set(xlabel="how many", ylabel="MiB above the start, at the peak")
    for axis in (left, right):
        axis.grid(True, alpha=0.3)
        axis.legend(fontsize=7)
    figure.suptitle(machine.machine())
    figure.savefig(path, dpi=110)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="write docs/growth.md and its figure")
    parser.add_argument("--only", nargs="+", default=[], help="series whose names begin so")
    options = parser.parse_args()
    chosen = [s for s in SERIES if not options.only or s.name.startswith(tuple(options.only))]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for series in chosen:
            points = []
            for size in series.sizes:
                points.append(measured(series, size, Path(folder)))
                print(f"{series.name}, {size:,} {series.of}: {points[-1].seconds:.3g} "
                      f"processor s, {points[-1].mib:.0f} MiB", flush=True)  # fmt: skip
            found.append((series, points))
    head = f"{machine.machine()}; load {os.getloadavg()[0]:.1f} at the end.\n"
    print(f"\n{head}\n{table(found)}")
    if options.keep:
        draw(found, PICTURE)
        title = "# How time and memory grow\n\n" + (__doc__ or "").partition("\n\n")[2]
        write_text(PAGE, f"{title}\n{head}\n{table(found)}\n![growth](images/growth.png)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
