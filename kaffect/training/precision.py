"""Which number format a run computes in (mixed precision; not in the paper).

`auto` takes mixed_float16 (with loss scaling) on a GPU, mixed_bfloat16 where
the processor multiplies bfloat16 in hardware, and float32 everywhere else:
bfloat16 without such instructions is slower than float32.
"""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

# What Linux calls the instructions that multiply bfloat16 matrices or vectors.
BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})


def processor_flags(path: str | Path = "/proc/cpuinfo") -> frozenset[str]:
    """The feature flags of the first processor, or none where the system does not list them."""
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def resolve_precision(requested: str, *, gpus: int, flags: frozenset[str]) -> str:
    """The Keras dtype policy for `requested`, given the number of GPUs and processor flags."""
    if requested != "auto":
        return requested
    if gpus:
        return "mixed_float16"
    return "mixed_bfloat16" if flags & BFLOAT16_FLAGS else "float32"


def precision_here(requested: str) -> str:
    """`resolve_precision` for this machine."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    return resolve_precision(requested, gpus=gpus, flags=processor_flags())


def scaled(
    optimizer: keras.optimizers.Optimizer, policy: str, first_scale: float = 2.0**15
) -> keras.optimizers.Optimizer:
    """Wrap `optimizer` in loss scaling where float16 gradients could underflow."""
    if policy == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=first_scale)
    return optimizer
