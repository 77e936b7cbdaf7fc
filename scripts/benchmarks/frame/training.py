"""A training step of ours in each precision beside PyTorch's: what these benchmarks share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from scripts.benchmarks.frame.measure import Figure, Step, Variant, ratio

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
OURS = ("keras float32", "keras bfloat16")
THEIRS = ("torch float32", "torch bfloat16", "compiled float32", "compiled bfloat16")


def training_variants(
    keras_step: Callable[[str], Step], torch_step: Callable[[str, bool], Step]
) -> dict[str, Variant]:
    """The six variants of a training step.

    Args:
        keras_step: (precision policy) -> one step of ours.
        torch_step: (bfloat16 or float32, whether by `torch.compile`) -> one of PyTorch's.
    """
    found: dict[str, Variant] = {}
    for precision, policy in POLICIES.items():
        half = ("bfloat16",) if precision == "bfloat16" else ()
        found[f"keras {precision}"] = Variant(_ours(keras_step, policy), half)
        for name, compiled in (("torch", False), ("compiled", True)):
            make = _theirs(torch_step, precision, compiled)
            found[f"{name} {precision}"] = Variant(make, ("torch", *half))
    return {name: found[name] for name in (*OURS, *THEIRS)}


def _ours(keras_step: Callable[[str], Step], policy: str) -> Callable[[], Step]:
    return lambda: keras_step(policy)


def _theirs(
    torch_step: Callable[[str, bool], Step], precision: str, compiled: bool
) -> Callable[[], Step]:
    def make() -> Step:
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        return torch_step(precision, compiled)

    return make


def against_pytorch(least: float | Mapping[str, float]) -> list[Figure]:
    """The best of PyTorch over our best, by the clock and by processor time; memory likewise."""
    return [
        ratio("best PyTorch / our best", THEIRS, OURS, least),
        ratio("the same in processor time", THEIRS, OURS, of="processor_seconds"),
        ratio("float32: PyTorch / ours", THEIRS[::2], OURS[:1]),
        ratio("bfloat16: PyTorch / ours", THEIRS[1::2], OURS[1:]),
        ratio("least memory, PyTorch / ours", THEIRS, OURS, of="peak_mib"),
    ]
