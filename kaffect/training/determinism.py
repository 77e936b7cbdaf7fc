"""Same seed, same bytes: the switches that make a run repeatable on one kind of machine.

Bit-exactness is promised for one machine type, on the CPU, at fixed versions;
on other hardware the promise is a tolerance.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf


def make_deterministic(seed: int) -> None:
    """Ask TensorFlow for deterministic kernels and seed every global generator."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def derived_seed(seed: int, *names: int | str) -> int:
    """An independent 31-bit seed for one purpose of a run.

    >>> derived_seed(0, "order") == derived_seed(0, "order")
    True
    >>> derived_seed(0, "order") == derived_seed(0, "dropout")
    False
    """
    words = [seed]
    for name in names:
        text = str(name).encode()
        words.extend(int.from_bytes(text[i : i + 4], "little") for i in range(0, len(text), 4))
    return int(np.random.SeedSequence(words).generate_state(1)[0] & 0x7FFFFFFF)
