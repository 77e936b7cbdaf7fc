"""The recurrence of Section IV-B: `fused` beside `cell` and beside its matrix products.

One forward and backward pass of `AttentionGRU` over a batch of 10 sequences of 80 frames with 4096
features, with gradients of the inputs and of every weight, float32.

- cell: `keras.layers.RNN` over the cell, frame by frame, in a `tf.function`;
- fused: projection and first kernels folded, out of the loop, gradient written by hand;
- fused, XLA: the same with its loops compiled;
- products: only the large matrix products that `fused` contains.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from scripts.benchmarks.frame import Benchmark, Variant, ratio
from scripts.benchmarks.frame.measure import Step

BATCH, TIME, FEATURES, UNITS = 10, 80, 4096, 128


def layer_step(**settings: Any) -> Step:
    """Outputs and all gradients."""
    import tensorflow as tf

    from kaffect.layers import AttentionGRU

    inputs = tf.random.stateless_normal((BATCH, TIME, FEATURES), seed=(2, 0))
    cotangent = tf.random.stateless_normal((BATCH, TIME, UNITS), seed=(2, 1))
    layer = AttentionGRU((UNITS, UNITS), seed=1, **settings)
    layer.build((None, None, FEATURES))

    @tf.function
    def compute(inputs: tf.Tensor, cotangent: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=True)
            loss = tf.reduce_sum(outputs * cotangent)
        wanted = [*(v.value for v in layer.trainable_variables), inputs]
        return [outputs, *tape.gradient(loss, wanted)]

    # `numpy`: a function may return before its work is done.
    return lambda: compute(inputs, cotangent)[-1].numpy()


def products_step() -> Step:
    """The large products of `fused`, forward and backward: 47 GFLOP."""
    import tensorflow as tf

    columns, frames, rows = 3 * UNITS, BATCH * TIME, FEATURES + UNITS
    sizes = ((rows, FEATURES), (FEATURES, columns), (frames, FEATURES), (FEATURES, columns),
             (rows, columns), (frames, columns))  # fmt: skip
    tensors = [tf.random.stateless_normal(size, seed=(1, k)) for k, size in enumerate(sizes)]

    @tf.function
    def compute(
        kernel: tf.Tensor, first: tf.Tensor, inputs: tf.Tensor, folded: tf.Tensor,
        d_folded: tf.Tensor, d_frames: tf.Tensor,
    ) -> list[tf.Tensor]:  # fmt: skip
        return [
            tf.matmul(kernel, first),
            tf.matmul(inputs, folded),
            tf.matmul(inputs, d_frames, transpose_a=True),
            tf.matmul(d_folded, first, transpose_b=True),
            tf.matmul(d_folded, kernel, transpose_a=True),
            tf.matmul(d_frames, folded, transpose_b=True),
        ]

    return lambda: compute(*tensors)[-1].numpy()


BENCHMARK = Benchmark(
    title="forward and backward pass of the attention GRU over 10 sequences of 80 frames, float32",
    variants={
        "cell": Variant(partial(layer_step, implementation="cell")),
        "fused": Variant(partial(layer_step, implementation="fused")),
        "fused, XLA": Variant(partial(layer_step, implementation="fused", jit_compile=True)),
        "products": Variant(products_step),
    },
    figures=[
        ratio("cell / fused without XLA", ["cell"], ["fused"], least=8.0),
        ratio("cell / products", ["cell"], ["products"]),
        ratio("fused / products", ["fused"], ["products"], most=2.5),
        ratio(
            "cell / fused without XLA, processor seconds", ["cell"], ["fused"],
            of="processor_seconds",
        ),
    ],  # fmt: skip
    amount=BATCH * TIME,
    unit="frames",
    turns=7,
)
