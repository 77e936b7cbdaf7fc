"""How fast the recurrence of Section IV-B is: `fused` beside `cell` and beside its matrix products.

One forward and backward pass of `AttentionGRU` over a batch of 10 sequences of 80 frames with 4096
features, with gradients of the inputs and of every weight. All variants are timed in one run, in
turn, so that whatever else the machine does meets all of them; the medians are compared.

- cell: `keras.layers.RNN` over the cell, frame by frame, in a `tf.function`;
- fused: projection and first kernels folded, out of the loop, gradient written by hand;
- fused, XLA: the same with its loops compiled;
- products: only the large matrix products that `fused` contains.

    python scripts/benchmark_recurrence.py            # about a minute on two cores
    python scripts/benchmark_recurrence.py --repeats 15 --without-xla
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from kaffect.layers import AttentionGRU  # noqa: E402

TARGET_SPEEDUP, TARGET_PRODUCTS = 8.0, 2.5


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--batch", type=int, default=10, help="sequences")
    parser.add_argument("--time", type=int, default=80, help="frames of a sequence")
    parser.add_argument("--features", type=int, default=4096)
    parser.add_argument("--units", type=int, default=128, help="of each of the two GRU layers")
    parser.add_argument("--repeats", type=int, default=7, help="timed passes of each variant")
    parser.add_argument("--fixed-inputs", action="store_true", help="no gradient of the inputs")
    parser.add_argument("--without-xla", action="store_true")
    return parser.parse_args()


def recurrence(
    options: argparse.Namespace, **settings: object
) -> tuple[AttentionGRU, Callable[[tf.Tensor, tf.Tensor], list[tf.Tensor]]]:
    """A layer, and its outputs and gradients as one compiled function."""
    units = (options.units, options.units)
    layer = AttentionGRU(units, seed=1, **settings)  # type: ignore[arg-type]
    layer.build((None, None, options.features))

    @tf.function
    def compute(inputs: tf.Tensor, cotangent: tf.Tensor) -> list[tf.Tensor]:
        wanted = [v.value for v in layer.trainable_variables]
        with tf.GradientTape() as tape:
            if not options.fixed_inputs:
                tape.watch(inputs)
                wanted.append(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(outputs * cotangent)
        return [outputs, *tape.gradient(loss, wanted)]

    return layer, compute


def products(options: argparse.Namespace) -> tuple[Callable[[], list[tf.Tensor]], float]:
    """The large products of `fused`, forward and backward, and their work in GFLOP."""
    features, columns = options.features, 3 * options.units
    frames, rows = options.batch * options.time, features + options.units

    def random(*shape: int) -> tf.Tensor:
        return tf.random.stateless_normal(shape, seed=(1, len(shape)))

    kernel, first, inputs = (
        random(rows, features),
        random(features, columns),
        random(frames, features),
    )
    folded, d_folded, d_frames = (
        random(features, columns),
        random(rows, columns),
        random(frames, columns),
    )

    @tf.function
    def compute() -> list[tf.Tensor]:
        results = [
            tf.matmul(kernel, first),
            tf.matmul(inputs, folded),
            tf.matmul(inputs, d_frames, transpose_a=True),
            tf.matmul(d_folded, first, transpose_b=True),
            tf.matmul(d_folded, kernel, transpose_a=True),
        ]
        if not options.fixed_inputs:
            results.append(tf.matmul(d_frames, folded, transpose_b=True))
        return results

    large = 3 * rows * features * columns
    small = (2 if options.fixed_inputs else 3) * frames * features * columns
    return compute, 2e-9 * (large + small)


def timed(variants: dict[str, Callable[[], list[tf.Tensor]]], repeats: int) -> dict[str, float]:
    """Median seconds of each variant; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, compute in variants.items():
            start = time.perf_counter()
            compute()[-1].numpy()  # a function returns before its work is done on some devices
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    options = parse()
    shape = (options.batch, options.time)
    inputs = tf.random.stateless_normal((*shape, options.features), seed=(2, 0))
    cotangent = tf.random.stateless_normal((*shape, options.units), seed=(2, 1))
    settings: dict[str, dict[str, object]] = {
        "cell": {"implementation": "cell"},
        "fused": {"implementation": "fused"},
        "fused, XLA": {"implementation": "fused", "jit_compile": True},
    }
    if options.without_xla:
        del settings["fused, XLA"]
    layers = {name: recurrence(options, **chosen) for name, chosen in settings.items()}
    results = {name: compute(inputs, cotangent) for name, (_, compute) in layers.items()}
    for name, values in results.items():
        worst = max(difference(a, b) for a, b in zip(values, results["cell"]))
        print(f"{name}: largest relative difference to cell, outputs and gradients: {worst:.1e}")
    bare, work = products(options)
    bare()
    variants = {
        name: lambda compute=compute: compute(inputs, cotangent)
        for name, (_, compute) in layers.items()
    }
    medians = timed({**variants, "products": bare}, options.repeats)
    report(options, medians, work)


def difference(one: tf.Tensor, other: tf.Tensor) -> float:
    scale = float(np.abs(other).max()) or 1.0
    return float(np.abs(one.numpy() - other.numpy()).max()) / scale


def report(options: argparse.Namespace, medians: dict[str, float], work: float) -> None:
    shape = f"{options.batch} x {options.time} x {options.features}"
    print(f"\nforward and backward of {shape}, float32, {os.cpu_count()} processors, "
          f"TensorFlow {tf.__version__}, median of {options.repeats}")  # fmt: skip
    print(f"{'':12s}{'seconds':>9s}{'cell /':>9s}{'/ products':>12s}")
    for name, seconds in medians.items():
        faster, above = medians["cell"] / seconds, seconds / medians["products"]
        print(f"{name:12s}{seconds:9.3f}{faster:9.2f}{above:12.2f}")
    print(f"products: {work:.1f} GFLOP at {work / medians['products']:.0f} GFLOP/s")
    fused = medians["fused"]
    print(
        f"fused is {medians['cell'] / fused:.1f} times as fast as cell (to reach: "
        f"{TARGET_SPEEDUP:g}) and takes {fused / medians['products']:.2f} times its products "
        f"(at most {TARGET_PRODUCTS:g})"
    )


if __name__ == "__main__":
    main()
