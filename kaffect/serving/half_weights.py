"""Weights of an export in the number format that its layers compute in (mixed precision).

A network in mixed precision keeps float32 weights for its optimiser and casts them whenever it
reads them: for a stream, all of them anew for every frame. An export has no optimiser.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import keras
import tensorflow as tf


@contextlib.contextmanager
def read_in_half(networks: Iterable[keras.Model]) -> Iterator[list[tf.Variable]]:
    """What is traced inside reads copies of kernels and biases that are rounded once.

    Only layers that compute in half precision are concerned. They round these weights anyway, so
    all outputs stay equal to the last bit. The networks themselves are not changed.

    Args:
        networks: functional models, nested ones included.

    Yields:
        The copies. They have to live until the traced functions are saved.
    """
    copies = {id(weight): (weight, half) for n in networks for weight, half in _copies(n)}
    with keras.StatelessScope(initialize_variables=False) as scope:
        for update in copies.values():
            # The scope's constructor would cast a copy back to float32.
            scope.add_update(update)
        yield [half for _, half in copies.values()]


def _copies(layer: keras.Layer) -> Iterator[tuple[keras.Variable, tf.Variable]]:
    for inner in getattr(layer, "layers", ()):
        yield from _copies(inner)
    if layer.autocast and layer.compute_dtype in ("bfloat16", "float16"):
        for name in ("kernel", "bias"):
            weight = getattr(layer, name, None)
            if isinstance(weight, keras.Variable):
                half = tf.cast(tf.convert_to_tensor(weight), layer.compute_dtype)
                yield weight, tf.Variable(half, trainable=False, name=weight.name)
