"""The precision that a run computes in (mixed precision; not in the paper).

`auto` is what the environment variable KAFFECT_PRECISION says. Without it, `auto` takes
mixed_float16 (with loss scaling) on a GPU, mixed_bfloat16 where the processor multiplies
bfloat16 in hardware, and float32 everywhere else: bfloat16 without such instructions is
slower than float32.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from kaffect.config import PRECISIONS, automatic_precision
from kaffect.errors import ConfigError, expected_received
from kaffect.processor import BFLOAT16_FLAGS, processor_flags

# Least compute capability of NVIDIA GPUs that compute a precision in hardware.
LEAST_CAPABILITY = {"mixed_float16": (5, 3), "mixed_bfloat16": (8, 0)}


def resolve_precision(
    requested: str,
    *,
    gpus: Sequence[tuple[int, int]],
    flags: frozenset[str],
    environment: Mapping[str, str],
) -> str:
    """The Keras dtype policy for `requested` on a machine.

    Args:
        requested: one of `PRECISIONS`.
        gpus: compute capability (major, minor) of each GPU.
        flags: of the processor, from `processor_flags`.
        environment: variables; KAFFECT_PRECISION is what "auto" means where it is set.

    Raises:
        ConfigError: an unknown precision, or one that a GPU cannot compute.
    """
    if requested == "auto":
        requested = automatic_precision(environment) or _fastest(gpus, flags)
    if requested not in PRECISIONS[1:]:
        raise ConfigError(expected_received("precision", PRECISIONS, requested))
    least = LEAST_CAPABILITY.get(requested)
    for capability in gpus:
        if least is not None and capability < least:
            what = f"precision {requested} on a GPU"
            accepted = f"compute capability {least[0]}.{least[1]} or more; use float32"
            received = f"{capability[0]}.{capability[1]}"
            raise ConfigError(expected_received(what, accepted, received))
    return requested


def _fastest(gpus: Sequence[tuple[int, int]], flags: frozenset[str]) -> str:
    if gpus:
        half = all(capability >= LEAST_CAPABILITY["mixed_float16"] for capability in gpus)
        return "mixed_float16" if half else "float32"
    return "mixed_bfloat16" if flags.intersection(BFLOAT16_FLAGS) else "float32"


def precision_here(requested: str) -> str:
    """`resolve_precision` for this machine."""
    devices = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(device) for device in devices]
    return resolve_precision(
        requested,
        # A device that does not say what it is (not NVIDIA's) is not refused anything.
        gpus=[detail.get("compute_capability") or (99, 0) for detail in details],
        flags=processor_flags(),
        environment=os.environ,
    )


def recorded(config: Any) -> str:
    """The precision that a stored `config` was computed in, for loading it as it was.

    A configuration that says "auto" was not made by a training, which records what that meant; it
    loads as float32.
    """
    precision: str = config.train.precision
    return "float32" if precision == "auto" else precision


def scaled(
    optimizer: keras.optimizers.Optimizer, policy: str, first_scale: float = 2.0**15
) -> keras.optimizers.Optimizer:
    """Wrap `optimizer` in loss scaling where float16 gradients could underflow."""
    if policy == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=first_scale)
    return optimizer
