"""In which number format a network's layers compute (mixed precision; not in the paper)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def layers_compute_in(policy: str) -> Iterator[None]:
    """Layers that are built inside compute in `policy`; afterwards Keras' own policy is back.

    Keras keeps the default policy of new layers for the whole thread. Only this function changes
    it, and it restores what it found, also after an error.

    Args:
        policy: name of a Keras dtype policy, such as "float32" or "mixed_bfloat16".

    >>> with layers_compute_in("mixed_bfloat16"):
    ...     layer = keras.layers.Dense(1)
    >>> layer.compute_dtype, keras.config.dtype_policy().name
    ('bfloat16', 'float32')
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def full_precision() -> str:
    """Of outputs, means and other layers that half precision would harm: float32 or better.

    Returns:
        "float64" while Keras' policy is float64 (a reference to compare with), else "float32".
    """
    policy = keras.config.dtype_policy().name
    return "float64" if policy == "float64" else "float32"
